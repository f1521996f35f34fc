"""`python -m mlflow_azureml_backend.cli`, where the script is not on the path."""

from mlflow_azureml_backend.cli import main

main(prog_name="mlflow-azureml")

"""What azureml-mlflow does beside each MLflow, in real installs: `python -m tests.injection`."""

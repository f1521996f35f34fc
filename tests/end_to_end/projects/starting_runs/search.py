"""Try several values side by side, in the form of MLflow's hyperparameter examples."""

import sys
from concurrent.futures import ThreadPoolExecutor

import mlflow

client = mlflow.MlflowClient()


def tried(value):
    run = mlflow.projects.run(
        uri=".",
        entry_point="step",
        parameters={"text": str(value)},
        experiment_id=experiment,
        synchronous=False,
        backend="azureml",
    )
    return (run.wait(), client.get_run(run.run_id).data.params["heard"])


with mlflow.start_run() as main:
    experiment = main.info.experiment_id
    with ThreadPoolExecutor(max_workers=3) as executor:
        found = list(executor.map(tried, range(int(sys.argv[1]))))
    mlflow.log_param("found", found)

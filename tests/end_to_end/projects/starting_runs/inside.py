"""Run another entry point inside of this job, as MLflow's local backend does."""

import sys

import mlflow

with mlflow.start_run() as parent:
    run = mlflow.run(".", "step", parameters={"text": sys.argv[1]}, env_manager="local")
    child = mlflow.get_run(run.run_id)
    print(f"a run of its own: {run.run_id != parent.info.run_id}", child.data.params["heard"])

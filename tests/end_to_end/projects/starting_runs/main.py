"""Start a run of the same project on Azure ML, with no word of where and as whom."""

import json
import os
import sys

import mlflow

with mlflow.start_run() as parent:
    print(f"the parent is the job: {parent.info.run_id == os.environ['AZUREML_RUN_ID']}")
    run = mlflow.projects.run(".", "step", parameters={"text": sys.argv[1]}, backend="azureml")
    child = mlflow.MlflowClient().get_run(run.run_id)
    mlflow.log_param("heard", child.data.params["heard"])
    print(json.dumps({"child": run.run_id, "status": child.info.status}))

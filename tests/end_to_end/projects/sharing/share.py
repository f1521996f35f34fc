"""Log to whatever MLflow is pointed at, then end in one of several ways."""

import os
import sys
import time
from importlib.metadata import version

import mlflow

print("azureml-mlflow", version("azureml-mlflow"), flush=True)
print("store", mlflow.get_tracking_uri(), "run", os.environ["MLFLOW_RUN_ID"], flush=True)
print("token of the service:", "MLFLOW_TRACKING_TOKEN" in os.environ, flush=True)
ending = sys.argv[1]
if ending == "silent":
    sys.exit()
mlflow.log_param("from_the_job", "yes")
mlflow.set_tag("colour", "blue")
for step in range(5):
    mlflow.log_metric("loss", 1 / (step + 1), step=step)
if ending != "without_files":
    mlflow.log_text("a note", "notes/note.txt")
print("logged", flush=True)
if ending == "failed":
    sys.exit("no such luck")
if ending == "endless":
    time.sleep(600)

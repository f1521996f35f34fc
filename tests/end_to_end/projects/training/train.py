"""Log a little of everything, with nothing but MLflow installed."""

import argparse
import os

import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--alpha", type=float)
parser.add_argument("--label")
parser.add_argument("--extra")
options = parser.parse_args()

print(f"label is {options.label!r}, extra is {options.extra!r}", flush=True)
with mlflow.start_run() as run:
    mlflow.log_param("alpha", options.alpha)
    mlflow.log_param("from_the_job", "yes")
    mlflow.set_tag("colour", "blue")
    for step in range(5):
        mlflow.log_metric("loss", options.alpha / (step + 1), step=step)
    mlflow.log_text("a note", "notes/note.txt")
print(f"the run is the job: {run.info.run_id == os.environ['AZUREML_RUN_ID']}", flush=True)
print("no line break at the end", end="", flush=True)

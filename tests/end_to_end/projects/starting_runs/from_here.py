"""Start a run on Azure ML from the machine of the user; no run is opened here."""

import json
import sys

import mlflow

config, text = sys.argv[1:]
mlflow.run(
    ".",
    "step",
    parameters={"text": text},
    backend="azureml",
    backend_config=json.loads(config),
)

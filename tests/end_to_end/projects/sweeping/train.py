"""Log how good some values are, by MLflow's REST API alone: it starts at once."""

import argparse
import json
import os
import time
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("--learning-rate", type=float)
parser.add_argument("--layers", type=int)
parser.add_argument("--label")
parser.add_argument("--fixed")
values = parser.parse_args()
print(f"{values}")

host, _, workspace = os.environ["MLFLOW_TRACKING_URI"].partition("/mlflow/v1.0")
url = f"https://{host.removeprefix('azureml://')}/mlflow/v2.0{workspace}/api/2.0/mlflow/runs"


def log(call, **content):
    body = json.dumps({"run_id": os.environ["MLFLOW_RUN_ID"], **content}).encode()
    headers = {
        "Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}",
        "Content-Type": "application/json",
    }
    urllib.request.urlopen(urllib.request.Request(f"{url}/{call}", body, headers))


log("log-parameter", key="label_in_the_job", value=values.label)
for step in range(3):
    accuracy = 1 - abs(values.learning_rate - 0.1) - 0.01 * values.layers - 0.1 * (2 - step)
    log("log-metric", key="accuracy", value=accuracy, timestamp=int(time.time() * 1000), step=step)

"""Log what the job was given, by MLflow's REST API alone: it starts at once."""

import json
import os
import sys
import urllib.request

host, _, workspace = os.environ["MLFLOW_TRACKING_URI"].partition("/mlflow/v1.0")
url = f"https://{host.removeprefix('azureml://')}/mlflow/v2.0{workspace}/api/2.0/mlflow/runs"


def log(call, **content):
    body = json.dumps({"run_id": os.environ["MLFLOW_RUN_ID"], **content}).encode()
    headers = {
        "Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}",
        "Content-Type": "application/json",
    }
    urllib.request.urlopen(urllib.request.Request(f"{url}/{call}", body, headers))


log("log-parameter", key="heard", value=sys.argv[1])
for name in ("OPEN", "FROM_CLIENT", "SECRET"):
    print(f"{name} is {os.environ.get(name)}")

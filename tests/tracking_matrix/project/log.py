"""Log the same things wherever MLflow is pointed at, by REST alone, and end as asked."""

import base64
import json
import os
import sys
import time
import urllib.request
from pathlib import Path

URI, RUN = os.environ["MLFLOW_TRACKING_URI"], os.environ["MLFLOW_RUN_ID"]
OF_AZURE = URI.startswith("azureml:")
API = URI.replace("azureml://", "https://").replace("/v1.0/", "/v2.0/") + "/api/2.0"
if OF_AZURE:
    SIGNED = f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"
else:
    pair = f"{os.environ['MLFLOW_TRACKING_USERNAME']}:{os.environ['MLFLOW_TRACKING_PASSWORD']}"
    SIGNED = f"Basic {base64.b64encode(pair.encode()).decode()}"


def call(method, path, data=None):
    headers = {"Authorization": SIGNED, "Content-Type": "application/json"}
    request = urllib.request.Request(f"{API}/{path}", data=data, headers=headers, method=method)
    return urllib.request.urlopen(request, timeout=60).read()


def log(**batch):
    call("POST", "mlflow/runs/log-batch", json.dumps({"run_id": RUN, **batch}).encode())


began = int(time.time() * 1000)
log(params=[{"key": f"p{number}", "value": "ü" * number} for number in range(1, 4)])
for key in ("loss", "accuracy"):
    points = [
        {"key": key, "value": 1 / (1 + step), "timestamp": began + step, "step": step}
        for step in range(200)
    ]
    log(metrics=points)
Path("outputs").mkdir(exist_ok=True)
Path("outputs/model.bin").write_bytes(bytes(range(256)) * 64)
Path("outputs/note.txt").write_text("a note")
if not OF_AZURE:
    run = json.loads(call("GET", f"mlflow/runs/get?run_id={RUN}"))["run"]
    root = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
    for file in Path("outputs").iterdir():
        call("PUT", f"mlflow-artifacts/artifacts/{root}/{file}", file.read_bytes())
log(metrics=[{"key": "done", "value": 1, "timestamp": began + 1000, "step": 0}])
time.sleep({"canceled": 600, "killed": 3}.get(sys.argv[1], 0))
if sys.argv[1] == "failed":
    sys.exit("no such luck")

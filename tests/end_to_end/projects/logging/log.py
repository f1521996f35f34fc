"""Log params, metrics over some time and files, by REST alone: that starts at once."""

import json
import os
import sys
import time
import urllib.request
from pathlib import Path

POINTS, SECONDS = int(sys.argv[1]), float(sys.argv[2])
PARTS = 10
API = (
    os.environ["MLFLOW_TRACKING_URI"].replace("azureml://", "https://").replace("/v1.0/", "/v2.0/")
)


def log(**batch):
    request = urllib.request.Request(
        f"{API}/api/2.0/mlflow/runs/log-batch",
        data=json.dumps({"run_id": os.environ["MLFLOW_RUN_ID"], **batch}).encode(),
        headers={
            "Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}",
            "Content-Type": "application/json",
        },
    )
    urllib.request.urlopen(request, timeout=60).read()


print("started", flush=True)
began = int(time.time() * 1000)
log(params=[{"key": "from_the_job", "value": "yes"}], tags=[{"key": "colour", "value": "blue"}])
for part in range(PARTS):
    steps = range(part * POINTS // PARTS, (part + 1) * POINTS // PARTS)
    log(
        metrics=[
            {"key": key, "value": 1 / (1 + step), "timestamp": began + step, "step": step}
            for key in ("loss", "accuracy")
            for step in steps
        ]
    )
    print("part", part, flush=True)
    time.sleep(SECONDS / PARTS)
Path("outputs").mkdir(exist_ok=True)
Path("outputs/model.bin").write_bytes(bytes(range(256)) * 64)
Path("outputs/note.txt").write_text("a note")
print("done", flush=True)

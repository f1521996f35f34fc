"""Log by REST alone, as a Python without MLflow can, and leave two outputs."""

import json
import os
import sys
import urllib.request
from pathlib import Path

API = (
    os.environ["MLFLOW_TRACKING_URI"].replace("azureml://", "https://").replace("/v1.0/", "/v2.0/")
)
metric = {"key": "loss", "value": 1.5, "timestamp": 1, "step": 0}
request = urllib.request.Request(
    f"{API}/api/2.0/mlflow/runs/log-batch",
    data=json.dumps({"run_id": os.environ["MLFLOW_RUN_ID"], "metrics": [metric]}).encode(),
    headers={
        "Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}",
        "Content-Type": "application/json",
    },
)
urllib.request.urlopen(request, timeout=60).read()
print(f"word is {sys.argv[1]!r}, colour is {os.environ.get('COLOUR')}")
print(f"data has {len(Path(sys.argv[2]).read_text())} characters", file=sys.stderr)
Path("outputs/deep").mkdir(parents=True, exist_ok=True)
Path("outputs/deep/model.bin").write_bytes(bytes(range(256)) * 4)
Path("outputs/note.txt").write_text("a note")
print("no line break at the end", end="")

"""Copy lines from what another step wrote, log how many, say something and exit: in no time."""

import argparse
import json
import os
import sys
import time
import urllib.request
from pathlib import Path

parser = argparse.ArgumentParser()
for option in ("read", "write", "say"):
    parser.add_argument(f"--{option}")
parser.add_argument("--exit", type=int, default=0)
values = parser.parse_args()

text = Path(values.read).read_text()
target = Path(values.write)
target.parent.mkdir(parents=True, exist_ok=True)
target.write_text(f"{text}{values.say}\n")
print(f"a secret of {len(os.environ['TOKEN'])} characters")
print(f"said {values.say!r} after {text.split()}", flush=True)

host, _, workspace = os.environ["MLFLOW_TRACKING_URI"].partition("/mlflow/v1.0")
url = f"https://{host.removeprefix('azureml://')}/mlflow/v2.0{workspace}/api/2.0/mlflow/runs"
metric = {"key": "lines", "value": len(text.splitlines()), "timestamp": int(time.time() * 1000)}
body = json.dumps({"run_id": os.environ["MLFLOW_RUN_ID"], **metric}).encode()
headers = {
    "Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}",
    "Content-Type": "application/json",
}
urllib.request.urlopen(urllib.request.Request(f"{url}/log-metric", body, headers))
sys.exit(values.exit)

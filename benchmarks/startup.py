"""What is imported: by `import mlflow` because this package is installed, and by a submission.

    python benchmarks/startup.py --rounds 9

First, the processor time that this package's hook takes in a process that has just imported MLflow
without it. Then, of a submission to an emulator in a process of its own, the packages whose modules
took longest (`python -X importtime`, each module without those that it imports itself), and whether
the heavy ones are among them.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections import Counter
from pathlib import Path

from submit import CASES, CONDA, IMAGE, emulator, make_project, make_store

from mlflow_azureml_backend.emulator import lifecycle
from mlflow_azureml_backend.emulator.administration import request

HEAVY = (
    *("azure.ai.ml", "azure.storage.blob", "docker", "rich.progress", "rich", "conda_lock"),
    *("rattler", "pandas", "fastapi", "git", "azure.identity", "azure.core", "pydantic"),
)
_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|\s*(\S+)")
_HOOK = """
import importlib.metadata as metadata, time
given, ours = metadata.entry_points, []
def without_us(**which):
    points = given(**which)
    ours.extend(each for each in points if each.value.startswith("mlflow_azureml_backend"))
    return metadata.EntryPoints(each for each in points if each not in ours)
metadata.entry_points = without_us
import mlflow
begun = time.process_time()
for point in ours:
    point.load()()
print(time.process_time() - begun, len(ours))
"""
_SUBMIT = """
import json, mlflow.projects, sys
mlflow.get_experiment(mlflow.tracking.fluent._get_experiment_id())  # MLflow looks for notebooks
print("submission begins", file=sys.stderr, flush=True)
mlflow.projects.run(sys.argv[1], backend="azureml", synchronous=False,
                    backend_config=json.loads(sys.argv[2]))
print(json.dumps(sorted(sys.modules)))
"""


def cost_of_the_hook(rounds: int) -> float:
    """Give the median processor milliseconds that `import mlflow` takes longer because of us."""
    taken = []
    for _ in range(rounds):
        command = [sys.executable, "-c", _HOOK]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, hooks = answer.stdout.split()
        assert hooks == "1", "is this package installed?"
        taken.append(float(seconds) * 1000)
    return statistics.median(taken)


def imports_of_a_submission() -> tuple[Counter[str], set[str]]:
    """Give milliseconds by package of what a submission imports beyond MLflow, and all modules."""
    with emulator() as endpoint, tempfile.TemporaryDirectory() as folder:
        key = f"{uuid.uuid4()}/timed/w{uuid.uuid4().hex[:8]}"
        request(endpoint, "PUT", f"/_emulator/workspaces/{key}")
        names = ("subscription_id", "resource_group", "workspace_name")
        config = {
            "workspace": dict(zip(names, key.split("/"), strict=True)),
            "compute": "cpu-cluster",
            "environment": {"image": IMAGE, "conda_file": CONDA},
            "inject": "never",
        }
        project = make_project(CASES["few"], Path(folder))
        variables = {
            **os.environ,
            **lifecycle.environment(endpoint),
            "MLFLOW_TRACKING_URI": make_store(Path(folder)),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "XDG_CACHE_HOME": folder,
        }
        answer = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", _SUBMIT, str(project), json.dumps(config)],
            env=variables,
            capture_output=True,
            text=True,
            check=True,
        )
    _, _, told = answer.stderr.partition("submission begins")
    taken: Counter[str] = Counter()
    for own, _, module in _LINE.findall(told):
        parts = module.split(".")
        taken[".".join(parts[: 2 if parts[0] in {"azure", "mlflow"} else 1])] += int(own)
    loaded = set(json.loads(answer.stdout.splitlines()[-1]))
    return Counter({name: micro // 1000 for name, micro in taken.items()}), loaded


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    cost = cost_of_the_hook(options.rounds)
    print(f"import mlflow takes {cost:.1f} ms longer (budget 15 ms)", flush=True)
    taken, loaded = imports_of_a_submission()
    print(f"a submission imports for {sum(taken.values())} ms beyond MLflow and its store:")
    for name, milliseconds in taken.most_common(10):
        print(f"  {milliseconds:5} ms  {name}")
    for name in HEAVY:
        print(f"  {'imported' if name in loaded else 'not'}: {name}")


if __name__ == "__main__":
    main()

"""Clients of the matrix, in an environment that has their MLflow and this package.

Each line of the input asks for one, as JSON: `arguments`, `folder`, `output` and `variables`. It is
forked from this process, which has imported MLflow and azure-ai-ml already. Of the arguments,
`submit PROJECT CONFIG ENDING` writes the run's id, and then, unless it is killed, what it found;
`attach RUN_ID` completes the run of a client that was killed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback

import mlflow
import mlflow.projects
from mlflow.tracking import MlflowClient

from mlflow_azureml_backend import attach

_PATIENCE = 120


def submit(project: str, config: str, ending: str) -> None:
    mlflow.set_experiment("matrix")
    run = mlflow.projects.run(
        project,
        backend="azureml",
        backend_config=json.loads(config),
        experiment_name="matrix",
        parameters={"ending": ending},
        synchronous=False,
    )
    print(json.dumps({"run_id": run.run_id}), flush=True)
    if ending == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if ending == "canceled":
        wait_until_logged(run)
        run.cancel()
    else:
        run.wait()
    look(run)


def complete(run_id: str) -> None:
    run = attach(run_id)
    run.wait()
    look(run)


def wait_until_logged(run) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        own = MlflowClient().get_run(run.run_id).data.metrics
        if "done" in own or "done" in run._service.last_metrics(run.job_name):
            return
        time.sleep(0.3)


def look(run) -> None:
    """Print what is on the client's side and on the job's."""
    client = MlflowClient()
    mine = client.get_run(run.run_id)
    points = sum(len(client.get_metric_history(run.run_id, key)) for key in mine.data.metrics)
    files = client.list_artifacts(run.run_id, "outputs")
    theirs = run._service.tracked_run(run.job_name)
    data = theirs.read()["data"]
    found = {
        "run": {
            "status": mine.info.status,
            "params": len([key for key in mine.data.params if key != "ending"]),
            "points": points,
            "files": len(files),
        },
        "job": {
            "status": run.job_status.to_run_status(),
            "params": len([item for item in data.get("params", []) if item["key"] != "ending"]),
            "points": sum(
                len(list(theirs.metric_history(item["key"]))) for item in data.get("metrics", [])
            ),
            "files": len([f for f in theirs.artifacts() if f["path"].startswith("outputs/")]),
        },
        "shared": mine.data.tags.get("azureml.tracking") == "shared",
        "linked": mine.data.tags.get("azureml.job_name") == run.job_name,
    }
    print(json.dumps(found), flush=True)


def become(client: dict) -> None:
    """Be one client, and end."""
    output = os.open(client["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(output, standard)
    os.chdir(client["folder"])
    os.environ.clear()
    os.environ.update(client["variables"])
    mlflow.set_tracking_uri(client["variables"]["MLFLOW_TRACKING_URI"])
    action, *arguments = client["arguments"]
    try:
        {"submit": submit, "attach": complete}[action](*arguments)
    except BaseException:  # noqa: BLE001  # it must not go on as its parent
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    for line in sys.stdin:
        process = os.fork()
        if not process:
            become(json.loads(line))
        os.waitpid(process, 0)
        print("ended", flush=True)

"""A job that logs to the user's own MLflow server, with the run's id there.

The service points MLflow at the workspace when it starts a job. What the command does first points
it at the server again, deliberately: nothing then depends on whether a job's own variables go
before those of the service. The run token of the service is no business of another server, which
would get it as a bearer token.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow_azureml_backend.translate.command import shell_quote
from mlflow_azureml_backend.translate.plugin_install import PYTHON

if TYPE_CHECKING:
    from mlflow_azureml_backend.job import JobSpec

# What MLflow reads -> what the job carries it in.
_CARRIED = {
    "MLFLOW_TRACKING_URI": "MLFLOW_AZUREML_SERVER_URI",
    "MLFLOW_RUN_ID": "MLFLOW_AZUREML_SERVER_RUN_ID",
    "MLFLOW_EXPERIMENT_ID": "MLFLOW_AZUREML_SERVER_EXPERIMENT_ID",
}
_DROPPED = ("MLFLOW_EXPERIMENT_NAME", "MLFLOW_TRACKING_TOKEN")

# A program that fails under MLflow's fluent API leaves its run FINISHED, and one that never asks
# MLflow for anything leaves it RUNNING: the job's own end is what the run has to say.
_ENDING = """\
import os, sys
try:
    from mlflow import MlflowClient
except ImportError:
    sys.exit()
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
ended = {"0": "FINISHED", "130": "KILLED", "143": "KILLED"}.get(sys.argv[1], "FAILED")
try:
    client = MlflowClient()
    status = client.get_run(os.environ["MLFLOW_RUN_ID"]).info.status
    if status not in ("FAILED", "KILLED", ended):
        client.set_terminated(os.environ["MLFLOW_RUN_ID"], ended)
except Exception as error:
    print("The MLflow run could not be ended: %s" % error, file=sys.stderr)
"""

# Where the job keeps what the service set, for the process that copies to the workspace.
_OWN = "MLFLOW_AZUREML_OWN_"
_OF_THE_SERVICE = (*_CARRIED, "MLFLOW_TRACKING_TOKEN")

# Both stores are asked by one process, one after the other: MLflow takes credentials from variables
# of the process whatever the server. Every point is copied once, and the last ones at the end.
_COPYING = """\
import os, signal, sys, threading
from mlflow import MlflowClient
from mlflow.entities import Param, RunTag
OWN = "MLFLOW_AZUREML_OWN_"
NAMES = [name[len(OWN):] for name in os.environ if name.startswith(OWN)]
NAMES += ["MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"]
stores = {
    "server": {name: os.environ.get(name) for name in NAMES},
    "own": {name: os.environ.get(OWN + name) for name in NAMES},
}
clients = {}
copied = set()
over = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: over.set())
signal.signal(signal.SIGINT, signal.SIG_IGN)
def turn_to(name):
    for variable, value in stores[name].items():
        if value is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = value
    if name not in clients:
        clients[name] = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    return clients[name], os.environ["MLFLOW_RUN_ID"]
def fresh(items, mark):
    return [(item, mark(item)) for item in items if mark(item) not in copied]
def copy():
    server, run_id = turn_to("server")
    data = server.get_run(run_id).data
    points = [point for key in data.metrics for point in server.get_metric_history(run_id, key)]
    tags = [RunTag(key, value) for key, value in data.tags.items()
            if not key.startswith(("mlflow.", "azureml."))]
    params = [Param(key, value) for key, value in data.params.items()]
    new = {
        "metrics": (1000, fresh(points, lambda p: (p.key, p.timestamp, p.step, repr(p.value)))),
        "params": (100, fresh(params, lambda p: ("param", p.key))),
        "tags": (100, fresh(tags, lambda t: ("tag", t.key, t.value))),
    }
    own, run_id = turn_to("own")
    for name, (size, items) in new.items():
        for start in range(0, len(items), size):
            part = items[start:start + size]
            own.log_batch(run_id, **{name: [item for item, _ in part]})
            copied.update(mark for _, mark in part)
told = set()
while True:
    last = over.wait(SECONDS)
    try:
        copy()
    except Exception as error:
        if str(error) not in told:
            told.add(str(error))
            print("Nothing is copied to the workspace for now: %s" % error, file=sys.stderr)
    if last:
        break
"""
_SECONDS_BETWEEN_COPIES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRun:
    """A run on the user's server, as a job has to know it.

    Args:
        uri: The tracking URI, without credentials.
        run_id: The run.
        experiment_id: Its experiment.
        databricks_host: The Databricks workspace that the URI `databricks` means, or None.
    """

    uri: str
    run_id: str
    experiment_id: str
    databricks_host: str | None = None


def logging_to(spec: JobSpec, run: ServerRun) -> JobSpec:
    """Give a job that logs to a run on the user's server, and ends it when it ends.

    Args:
        spec: The job, complete otherwise.
        run: The run.
    """
    carried = dict(zip(_CARRIED.values(), (run.uri, run.run_id, run.experiment_id), strict=True))
    if run.databricks_host is not None:
        carried["DATABRICKS_HOST"] = run.databricks_host
    # One process of a distributed job must not end the run that the others still log to.
    ending = _at_the_end() if spec.distribution is None else ""
    return replace(
        spec,
        command=f"{_pointing_there()}{ending}{spec.command}",
        environment_variables=MappingProxyType({**carried, **spec.environment_variables}),
    )


def copying_to_workspace(command: str) -> str:
    """Give a command beside which a process copies what is logged at the server to the workspace.

    Args:
        command: What the job runs; what it needs to reach the server goes before it.
    """
    script = _COPYING.replace("SECONDS", str(_SECONDS_BETWEEN_COPIES))
    return f"{PYTHON} -c {shell_quote(script)} & copying=$!\n{command}"


def _pointing_there() -> str:
    kept = " ".join(f'{_OWN}{name}="${name}"' for name in _OF_THE_SERVICE)
    exports = " ".join(f'{name}="${carried}"' for name, carried in _CARRIED.items())
    return f"export {kept}\nunset {' '.join(_DROPPED)}\nexport {exports}\n"


def _at_the_end() -> str:
    script = shell_quote(_ENDING)
    # Whatever `set` the command has said in the same shell.
    return (
        f'end_run() {{ code=$?; trap - EXIT; {PYTHON} -c {script} "$code" || :; '
        'if [ -n "${copying:-}" ]; then kill "$copying"; wait "$copying" || :; fi; '
        'exit "$code"; }\n'
        "trap end_run EXIT\n"
    )

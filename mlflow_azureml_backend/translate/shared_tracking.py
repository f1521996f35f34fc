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


def _pointing_there() -> str:
    exports = " ".join(f'{name}="${carried}"' for name, carried in _CARRIED.items())
    return f"unset {' '.join(_DROPPED)}\nexport {exports}\n"


def _at_the_end() -> str:
    script = shell_quote(_ENDING)
    return (
        f'end_run() {{ code=$?; trap - EXIT; {PYTHON} -c {script} "$code"; exit "$code"; }}\n'
        "trap end_run EXIT\n"
    )

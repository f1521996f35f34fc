"""The variables a job's process gets: the ones the service sets, then the user's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from mlflow_azureml_backend.emulator.resources import WorkspaceKey

_SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LOOPBACK: Final = "localhost,127.0.0.1,::1"


MSI_PATH: Final = "/_emulator/identity/msi/token"
"""Where the front gives tokens of the compute's managed identity."""

OBO_PATH: Final = "/_emulator/identity/obo/token"
"""Where it gives tokens on behalf of the user who submitted the job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """Say which run a process belongs to.

    Args:
        workspace: the run's workspace.
        region: the workspace's region.
        run_id: the run, which is the job's name.
        root_run_id: the sweep that the run is a trial of, or the job at the top of those that have
            started it; else the run itself.
        experiment_id: MLflow's id of its experiment.
        experiment_name: the experiment's name.
        token: a token that is good for this run's requests.
        token_expiry: when the token ends.
        identity: the type of the job's `identity`; None when it names none.
        address: where the emulator's front is, which gives identities their tokens.
    """

    workspace: WorkspaceKey
    region: str
    run_id: str
    root_run_id: str
    experiment_id: str
    experiment_name: str
    token: str
    token_expiry: datetime
    identity: str | None
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Say what the process finds on the machine it runs on.

    Args:
        bin: the folder of the environment's programs, first in the search path.
        home: the home directory.
        temporary: the directory for temporary files.
        proxy: where https requests go: the emulator's address.
        ca_bundle: the certificates to trust.
    """

    bin: Path
    home: Path
    temporary: Path
    proxy: str
    ca_bundle: Path


def job_environment(
    run: RunIdentity,
    node: Node,
    *,
    interpreter: Mapping[str, str],
    bindings: Mapping[str, str],
    user: Mapping[str, str],
) -> dict[str, str]:
    """Give all variables of a job's process; nothing of the emulator's own environment is in it.

    Args:
        run: the run.
        node: the machine.
        interpreter: what the Python environment asks for.
        bindings: where the job's inputs and outputs are.
        user: the job's `environmentVariables`; they go before all others.
    """
    return {
        **_node_variables(node),
        **interpreter,
        **_run_variables(run),
        **_identity_variables(run),
        **bindings,
        **user,
    }


def _node_variables(node: Node) -> dict[str, str]:
    bundle = str(node.ca_bundle)
    return {
        "PATH": f"{node.bin}:{_SYSTEM_PATH}",
        "HOME": str(node.home),
        "TMPDIR": str(node.temporary),
        "LANG": "C.UTF-8",
        # What a job prints has to be in its log at once.
        "PYTHONUNBUFFERED": "1",
        # Production URLs lead to the emulator through its proxy, and it signs for them itself.
        "HTTPS_PROXY": node.proxy,
        "https_proxy": node.proxy,
        "NO_PROXY": _LOOPBACK,
        "no_proxy": _LOOPBACK,
        "REQUESTS_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
        "CURL_CA_BUNDLE": bundle,
    }


def _run_variables(run: RunIdentity) -> dict[str, str]:
    workspace = run.workspace
    service = f"https://{run.region}.api.azureml.ms"
    return {
        "MLFLOW_TRACKING_URI": (
            f"azureml://{run.region}.api.azureml.ms/mlflow/v1.0{workspace.arm_id}"
        ),
        "MLFLOW_TRACKING_TOKEN": run.token,
        "MLFLOW_RUN_ID": run.run_id,
        "MLFLOW_EXPERIMENT_ID": run.experiment_id,
        "MLFLOW_EXPERIMENT_NAME": run.experiment_name,
        "AZUREML_RUN_ID": run.run_id,
        "AZUREML_ROOT_RUN_ID": run.root_run_id,
        "AZUREML_RUN_TOKEN": run.token,
        "AZUREML_RUN_TOKEN_EXPIRY": str(int(run.token_expiry.timestamp())),
        "AZUREML_EXPERIMENT_ID": run.experiment_id,
        "AZUREML_ARM_SUBSCRIPTION": workspace.subscription_id,
        "AZUREML_ARM_RESOURCEGROUP": workspace.resource_group,
        "AZUREML_ARM_WORKSPACE_NAME": workspace.name,
        "AZUREML_ARM_PROJECT_NAME": run.experiment_name,
        "AZUREML_SERVICE_ENDPOINT": service,
        "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{service}/discovery",
    }


def _identity_variables(run: RunIdentity) -> dict[str, str]:
    """Say where a process gets tokens for other services, as the compute's identity or its user's.

    A job that runs with the workspace's own token has no such place.
    """
    if run.identity == "AMLToken":
        return {}
    variables = {"MSI_ENDPOINT": f"{run.address}{MSI_PATH}", "MSI_SECRET": run.token}
    if run.identity == "UserIdentity":
        variables["OBO_ENDPOINT"] = f"{run.address}{OBO_PATH}?run={run.token}"
    return variables

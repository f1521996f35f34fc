"""Look at the workspace and all that leads to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_azureml_backend.diagnosis.finding import Finding, State
from mlflow_azureml_backend.errors import AzureMLBackendError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlflow_azureml_backend.job import ComputeState, WorkspaceRef
    from mlflow_azureml_backend.workspace.credential_chain import ChainLink

_SIGN_IN = (
    "Sign in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET."
)


def check_credentials(ref: WorkspaceRef | None) -> Iterator[Finding]:
    """Look which credential signs in.

    Args:
        ref: The workspace; the emulator's has a credential of its own.
    """
    if ref is not None and ref.is_emulated:
        yield Finding(name="credential", found="the emulator's own")
        return
    from mlflow_azureml_backend.workspace.credential_chain import try_chain

    yield judged_chain(try_chain())


def judged_chain(links: Sequence[ChainLink]) -> Finding:
    """Say which link of the credential chain counts.

    Args:
        links: What each said, in the chain's order.
    """
    details = tuple(
        f"{link.name}: {link.state.value}{f' ({link.says})' if link.says else ''}" for link in links
    )
    last = next((link for link in links if link.ends_the_chain), None)
    if last is None:
        found = "no credential of DefaultAzureCredential is set up"
        return Finding(
            name="credential", state=State.FAILURE, found=found, fix=_SIGN_IN, details=details
        )
    if last.state.value == "works":
        return Finding(name="credential", found=f"{last.name} signs in", details=details)
    found = f"{last.name} is set up and does not sign in: azure-identity tries none behind it"
    fix = (
        f"Correct or unset what {last.name} reads"
        f"{' (AZURE_CLIENT_ID and its like)' if last.name == 'EnvironmentCredential' else ''}."
    )
    return Finding(name="credential", state=State.FAILURE, found=found, fix=fix, details=details)


def check_workspace(ref: WorkspaceRef) -> Iterator[Finding]:
    """Open the workspace, and look at its container registry.

    Args:
        ref: The workspace.
    """
    from mlflow_azureml_backend.workspace import connect

    where = f"{ref.workspace_name} (resource group {ref.resource_group})"
    try:
        workspace = connect(ref)
    except AzureMLBackendError as error:
        yield Finding(
            name="workspace",
            state=State.FAILURE,
            found=f"{where}: {error}",
            fix="Check the names in the workspace's config, and the role 'AzureML Data Scientist'.",
        )
        return
    yield Finding(name="workspace", found=f"{where} answers, in {workspace.location}")
    registry = workspace.container_registry
    if registry is None:
        found = "none yet; the service makes one with the first image that it builds"
        yield Finding(name="container registry", found=found)
    else:
        yield Finding(name="container registry", found=registry)


def check_compute(ref: WorkspaceRef, name: str | None) -> Iterator[Finding]:
    """Look whether a compute can take jobs now.

    Args:
        ref: The workspace.
        name: The compute, or None for serverless.
    """
    if name is None:
        yield Finding(name="compute", found="none is named: jobs go to serverless compute")
        return
    from mlflow_azureml_backend.workspace import connect

    workspace = connect(ref)
    workspace.check_compute(name)
    yield judged_compute(workspace.compute_state(name))


def judged_compute(state: ComputeState) -> Finding:
    """Say whether a job would start on a compute.

    Args:
        state: What the compute is doing.
    """
    kinds = ", ".join(f"{count} {kind}" for kind, count in state.nodes.items() if count)
    most = "?" if state.most_nodes is None else str(state.most_nodes)
    found = f"{state.name}: {sum(state.nodes.values())} of {most} nodes"
    found += f" ({kinds})" if kinds else ""
    if state.errors:
        return Finding(
            name="compute",
            state=State.FAILURE,
            found=f"{found}; it cannot grow: {state.errors[0]}",
            fix="Ask for more quota, or name another compute with `compute`.",
            details=state.errors[1:],
        )
    if state.most_nodes == 0:
        return Finding(
            name="compute",
            state=State.FAILURE,
            found=found,
            fix="Raise the cluster's maximum number of nodes: a job would wait for ever.",
        )
    if state.most_nodes is not None and state.nodes.get("running", 0) >= state.most_nodes:
        return Finding(
            name="compute",
            state=State.WARNING,
            found=f"{found}: all are in use, a new job waits",
            fix="Wait, raise the cluster's maximum, or name another compute with `compute`.",
        )
    return Finding(name="compute", found=found)

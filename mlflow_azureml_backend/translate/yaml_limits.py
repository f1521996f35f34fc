"""What `mlflow run` does for a job beyond its YAML, which another client would not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_azureml_backend.config.variables import key_vault_reference
from mlflow_azureml_backend.data_uri import Place, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.job import JobSpec


def beyond_yaml(spec: JobSpec) -> tuple[str, ...]:
    """Say why the job's YAML alone, submitted with `az ml job create`, would not be this job.

    Args:
        spec: The job, nothing of it prepared.
    """
    return tuple(_differences(spec))


def _differences(spec: JobSpec) -> Iterator[str]:
    values = [name for name, given in spec.secret_variables.items() if given.value is not None]
    if values:
        yield (
            f"`mlflow run` puts the values of {', '.join(values)} into the workspace's Key Vault "
            "and names them in MLFLOW_AZUREML_SECRETS; submitted from this YAML the job finds none"
        )
    own_vault = [
        name
        for name, given in spec.secret_variables.items()
        if given.reference is not None and key_vault_reference(given.reference)[0] is None
    ]
    if own_vault:
        yield (
            f"{', '.join(own_vault)} of MLFLOW_AZUREML_SECRETS: put the name of the workspace's "
            "Key Vault in place of WORKSPACE-KEY-VAULT to submit this YAML, as `mlflow run` does"
        )
    if spec.identity is not None and "msi_resource_id" in spec.identity:
        yield (
            "azure-ai-ml cannot read identity.msi_resource_id from YAML, as `mlflow run` can: take "
            "client_id or object_id to submit this YAML"
        )
    local = spec.environment.local
    if local is not None and local.repository is not None:
        yield (
            f"`mlflow run` pushes the image to {local.repository} and names it by its digest; this "
            "YAML does not"
        )
    fetched = [
        name
        for name, given in spec.inputs.items()
        if given.path is not None and place_of(given.path) is Place.FETCHED
    ]
    if fetched:
        yield (
            f"inputs {', '.join(fetched)}: `mlflow run` fetches and uploads them, for Azure ML "
            "reads no such URI"
        )
    if spec.snapshot.exclude:
        yield (
            "`mlflow run` leaves out of the snapshot what snapshot.exclude names; `az ml` looks at "
            "an ignore file alone"
        )

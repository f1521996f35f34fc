"""Who this process is towards Azure: whoever is signed in here, or the job that it is part of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.job import WorkspaceRef

# What Azure ML sets in a job: its name, its workspace, where it gets tokens of the user who
# submitted it (`identity: user_identity`), and which of the compute's identities is the job's.
_JOB = "AZUREML_RUN_ID"
_SUBSCRIPTION = "AZUREML_ARM_SUBSCRIPTION"
_ON_BEHALF_OF = "OBO_ENDPOINT"
_MANAGED = "DEFAULT_IDENTITY_CLIENT_ID"
# Who sets these in a job means a service principal of their own.
_OWN_PRINCIPAL = "AZURE_CLIENT_ID"


def azure_credential(environ: Mapping[str, str], **options: Any) -> Any:
    """Choose the azure-identity credential of this process.

    In a job that runs as its user it is the user's; in another one the compute's managed identity,
    the one that the service names where the compute has several. azure-identity knows neither by
    itself.

    Args:
        environ: This process's variables.
        options: Further arguments of DefaultAzureCredential.
    """
    from azure.identity import DefaultAzureCredential

    if not is_job(environ) or environ.get(_OWN_PRINCIPAL):
        return DefaultAzureCredential(**options)
    if environ.get(_ON_BEHALF_OF):
        from azure.ai.ml.identity import AzureMLOnBehalfOfCredential

        return AzureMLOnBehalfOfCredential()
    if client_id := environ.get(_MANAGED):
        return DefaultAzureCredential(managed_identity_client_id=client_id, **options)
    return DefaultAzureCredential(**options)


def is_job(environ: Mapping[str, str]) -> bool:
    """Tell whether this process is part of a job."""
    return bool(environ.get(_JOB))


def is_job_of(ref: WorkspaceRef, environ: Mapping[str, str]) -> bool:
    """Tell whether this process is part of a job in the subscription of a workspace.

    Args:
        ref: The workspace.
        environ: This process's variables.
    """
    return is_job(environ) and environ.get(_SUBSCRIPTION) == ref.subscription_id

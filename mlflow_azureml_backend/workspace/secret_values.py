"""Secret values of this machine, put into the workspace's Key Vault for one job."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import ConfigError, ForbiddenError
from mlflow_azureml_backend.job import EMPTY
from mlflow_azureml_backend.translate.secret_variables import references

if TYPE_CHECKING:
    from mlflow_azureml_backend.job import JobSpec
    from mlflow_azureml_backend.workspace.connection import Connection

_API = "7.4"
_LIFETIME_SECONDS = 30 * 24 * 3600
_LONGEST_NAME = 127


def with_stored_secrets(connection: Connection, spec: JobSpec, *, name: str) -> JobSpec:
    """Give the job as it may be shown: its secrets are in a Key Vault, and it knows where.

    Args:
        connection: The workspace.
        spec: The job.
        name: The job's name.

    Raises:
        ConfigError: The workspace has no Key Vault.
        ForbiddenError: The user may not write secrets.
        WorkspaceError: The vault could not be reached.
    """
    if not spec.secret_variables:
        return spec
    vault = str(connection.workspace_facts["properties"].get("keyVault") or "").rpartition("/")[2]
    if not vault:
        raise ConfigError(
            "environment_variables: the workspace has no Key Vault for secrets; name one: "
            "'keyvault:VAULT/NAME'."
        )
    stored = {
        variable: _stored(connection, vault, f"{name}-{index}-{variable}", secret.value, job=name)
        for index, (variable, secret) in enumerate(spec.secret_variables.items())
        if secret.value is not None
    }
    shown = references(spec.secret_variables, vault=vault, stored=stored)
    return replace(
        spec,
        environment_variables={**spec.environment_variables, **shown},
        secret_variables=EMPTY,
    )


def _stored(connection: Connection, vault: str, wanted: str, value: str, *, job: str) -> str:
    name = re.sub(r"[^0-9a-zA-Z-]", "-", wanted)[:_LONGEST_NAME]
    # A job that is still queued after a month reads nothing; nobody has to clean up after the rest.
    body = {
        "value": value,
        "attributes": {"exp": int(time.time()) + _LIFETIME_SECONDS},
        "tags": {"job": job},
    }
    doing = f"storing a secret in Key Vault '{vault}'"
    url = f"https://{vault}.vault.azure.net/secrets/{name}?api-version={_API}"
    try:
        return str(connection.vault("PUT", url, doing=doing, body=body)["id"])
    except ForbiddenError as error:
        raise ForbiddenError(
            f"{error} It takes the role Key Vault Secrets Officer. Or let somebody who has it "
            "store the value, and write 'keyvault:NAME'."
        ) from error

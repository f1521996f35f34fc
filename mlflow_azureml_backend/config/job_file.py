"""A command job's YAML file as the base of a backend config."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.config.job_schema import JOB_KEYS
from mlflow_azureml_backend.config.reader import read_section
from mlflow_azureml_backend.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.config.schema import BackendConfig

PROJECTS_OWN = ("command", "code", "name")
"""Keys of the job YAML that the project says."""

MERGED = (
    *("environment_variables", "inputs", "limits", "outputs", "properties", "queue_settings"),
    *("resources", "services", "tags"),
)
"""Keys whose entries are laid together one by one; of all others one side is taken whole."""


def with_job_file(
    config: BackendConfig, content: Mapping[str, Any], *, where: str
) -> BackendConfig:
    """Lay a backend config over a job file.

    A key of the config goes before the file's. Where both have several entries under one key, such
    as tags or resources, they are laid together entry by entry. What runs and what is uploaded is
    the project's, whatever the file says.

    Args:
        config: The backend config.
        content: The file's content, the paths in it absolute.
        where: The file, for messages.

    Raises:
        ConfigError: The file is no command job's, or the two together are not as the schema says.
    """
    if (kind := content.get("type", "command")) != "command":
        raise ConfigError(f"{where}: type is {kind!r}; a job file has to be one of a command job.")
    known = {*JOB_KEYS, *PROJECTS_OWN, "$schema", "type", "is_deterministic"}
    if unknown := sorted(str(key) for key in content if key not in known):
        raise ConfigError(
            f"{where}: unknown keys: {', '.join(unknown)}. A command job's YAML has: "
            f"{', '.join(JOB_KEYS)}."
        )
    base = {key: value for key, value in content.items() if key in JOB_KEYS}
    return laid_over(config, base, where=f"{where} and the backend config")


def laid_over(config: BackendConfig, base: Mapping[str, Any], *, where: str) -> BackendConfig:
    """Lay a config over keys that it does not have to say itself.

    Args:
        config: The backend config; a key that it says goes first.
        base: Keys of the backend config.
        where: Where the keys come from, for messages.

    Raises:
        ConfigError: The two together are not as the schema says.
    """
    own = config.model_dump(exclude_unset=True)
    merged = {**base, **own}
    for key in MERGED:
        if isinstance(base.get(key), dict) and isinstance(own.get(key), dict):
            merged[key] = {**base[key], **own[key]}
    return read_section(merged, where=where)

"""`compute: local`: which keys of the config a run on this machine can heed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_azureml_backend.config.variables import is_secret
from mlflow_azureml_backend.data_uri import Place, place_of
from mlflow_azureml_backend.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.config.schema import BackendConfig

LOCAL = "local"

# What would change what the project does, and why it cannot be had here.
_REFUSED = {
    "sweep": "the trials of a sweep are jobs",
    "distribution": "there is one process on one machine",
    "environment": "the project's own environment is built here",
    "image": "no image is built or pushed for a run on this machine",
    "lock": "MLflow builds the environment here; lock it in the project's own file",
    "services": "they are opened on Azure ML's nodes",
    "parent_job_name": "a run on this machine is no job's child",
    "job_file": "it describes a job of Azure ML",
    "steps": "steps are jobs of a pipeline",
    "register_model": "only jobs are waited for; use `mlflow-azureml register` afterwards",
    "is_deterministic": "only steps of pipelines are used again",
}

# What only Azure ML's computes have, and what the project does not notice.
_IGNORED = ("resources", "queue_settings", "queue_timeout", "identity", "properties", "nested_runs")


def check_local(config: BackendConfig) -> tuple[str, ...]:
    """Find what a run on this machine cannot do; give a note for each key that says nothing here.

    Args:
        config: A config whose compute is `local`.

    Raises:
        ConfigError: A key asks for what only a job can have; names all of them.
    """
    said = {key for key in config.model_fields_set if getattr(config, key) not in (None, {})}
    problems = [f"{key}: {why}" for key, why in _REFUSED.items() if key in said]
    problems += _data_problems(config)
    problems += [
        f"environment_variables.{name}: a Key Vault is read by jobs alone; give the value as "
        "'${env:NAME}'"
        for name, given in config.environment_variables.items()
        if isinstance(given, str) and is_secret(given)
    ]
    if config.tracking in {"shared", "both"}:
        problems.append("tracking: a run on this machine is tracked in the workspace")
    count = config.resources.instance_count if config.resources else None
    if count is not None and count > 1:
        problems.append(f"resources.instance_count: there is one machine, not {count}")
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        raise ConfigError(
            "Backend config: compute is local, which runs the project on this machine; name a "
            f"compute of the workspace, or remove:{lines}"
        )
    return tuple(f"{key} says nothing for a run on this machine" for key in _IGNORED if key in said)


def refuse_local(config: BackendConfig) -> None:
    """Refuse a config that asks for no job where a job is to be shown or submitted.

    Args:
        config: The config, laid over its job file.

    Raises:
        ConfigError: Its compute is `local`.
    """
    if config.compute == LOCAL:
        raise ConfigError(
            "Backend config: compute is local: the project runs on this machine, and there is no "
            'job. `"dry_run": true` in the backend config of `mlflow run` shows what would run. '
            "Where a job_file says it, say it in the backend config instead."
        )


def _data_problems(config: BackendConfig) -> Iterator[str]:
    for name, given in config.inputs.items():
        path = given if isinstance(given, str) else given.path
        if not isinstance(given, str) and path and place_of(path) is Place.AZURE_ML:
            yield f"inputs.{name}: {path} is read by jobs alone; download it and give its path"
    for name, output in config.outputs.items():
        if output.path is not None or output.name is not None:
            yield f"outputs.{name}: what is written here goes to outputs/{name} of the run alone"

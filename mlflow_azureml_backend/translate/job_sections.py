"""The sections of the config that the job has too: resources, labels and what is handed on."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.config.job_schema import MAX_TAGS
from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.job import EMPTY, ResourcesSpec
from mlflow_azureml_backend.translate.docker_arguments import resources_from_docker_args

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel

    from mlflow_azureml_backend.config import BackendConfig
    from mlflow_azureml_backend.job import JobSpec

_LONGEST_VALUE = 1000
_CUT = "…"
_EXPRESSION = "${{"
# What the service looks for its expressions in, and takes no values of ours from.
_RESOLVED = ("display_name", "environment_variables", "resources", "distribution", "services")


def section(given: BaseModel | None) -> Mapping[str, Any] | None:
    """Give a section of the config as the job YAML has it, or None for one that says nothing."""
    said = {} if given is None else given.model_dump(exclude_none=True)
    if said.get("type") == "managed_identity":  # azure-ai-ml knows both, `az ml` documents one
        said["type"] = "managed"
    return MappingProxyType(said) if said else None


def compute_of(config: BackendConfig) -> str | None:
    """Name the compute, or None for a serverless job."""
    name = (config.compute or "").removeprefix("azureml:")
    return name if name and name.lower() != "serverless" else None


def resources_of(config: BackendConfig, docker_args: Mapping[str, str | bool]) -> ResourcesSpec:
    """Put the config's `resources` and MLflow's `--docker-args` together; the latter go first.

    Args:
        config: The backend config.
        docker_args: Name and value, or True for a flag.

    Raises:
        ConfigError: Azure ML does not let a job choose one of the arguments.
    """
    asked = resources_from_docker_args(docker_args)
    said = section(config.resources)
    if said is None:
        return asked
    arguments = [text for text in (said.get("docker_args"), asked.docker_args) if text]
    resources = ResourcesSpec(
        **{
            **said,
            "locations": tuple(said.get("locations", ())),
            "properties": MappingProxyType(dict(said.get("properties", EMPTY))),
        }
    )
    return replace(
        resources,
        shm_size=asked.shm_size or resources.shm_size,
        docker_args=" ".join(arguments) or None,
    )


def labels(what: str, given: Mapping[str, str], notes: list[str]) -> Mapping[str, str]:
    """Bring tags or properties below the service's limits; says in a note what was shortened.

    Args:
        what: `tags` or `properties`.
        given: Keys that are short enough, and values of any length.
        notes: Gets one note for each value that is shortened.

    Raises:
        ConfigError: There are more than the service keeps.
    """
    if len(given) > MAX_TAGS:
        raise ConfigError(
            f"{what}: with those that describe the project there are {len(given)}, and Azure ML "
            f"keeps {MAX_TAGS}."
        )
    kept = {}
    for key, value in given.items():
        kept[key] = value
        if len(value) > _LONGEST_VALUE:
            kept[key] = value[: _LONGEST_VALUE - len(_CUT)] + _CUT
            notes.append(
                f"{what}.{key} has {len(value)} characters; Azure ML keeps {_LONGEST_VALUE}, so "
                "the rest is cut off"
            )
    return MappingProxyType(kept)


def refuse_expressions(spec: JobSpec) -> JobSpec:
    """Give the job back if none of its values reads as an expression of Azure ML.

    Raises:
        ConfigError: One does; names all of them, and shows none.
    """
    found = [path for key in _RESOLVED for path in _expressions(key, getattr(spec, key))]
    if found:
        raise ConfigError(
            f"{', '.join(found)}: holds '{_EXPRESSION}', which Azure ML would resolve instead of "
            "handing it on. Inputs and outputs can be named in the entry point's command."
        )
    return spec


def _expressions(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, str) and _EXPRESSION in value:
        yield path
    elif isinstance(value, ResourcesSpec):
        yield from _expressions(f"{path}.docker_args", value.docker_args)
    elif hasattr(value, "items"):
        for key, item in value.items():
            yield from _expressions(f"{path}.{key}", item)

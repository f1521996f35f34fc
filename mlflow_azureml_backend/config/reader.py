"""From the raw mapping that MLflow hands over to a `BackendConfig`, or one clear message."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from mlflow_azureml_backend.config.schema import (
    BackendConfig,
    BuildConfig,
    EnvironmentConfig,
    ImageConfig,
    WorkspaceConfig,
)
from mlflow_azureml_backend.config.sweep_schema import sweep_section, without_tags
from mlflow_azureml_backend.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# What `mlflow.projects` adds to every backend config (its `PROJECT_*` constants).
_MLFLOW_KEYS = (
    "ENV_MANAGER",
    "SYNCHRONOUS",
    "DOCKER_ARGS",
    "STORAGE_DIR",
    "build_image",
    "docker_auth",
)

_WANTED = {
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "dict_type": "must be an object of key and value",
    "model_type": "must be an object of key and value",
    "missing": "is missing",
    "literal_error": "must be {expected}",
}

# The sections a key can be misspelled in, by where pydantic says the mistake is.
_SECTIONS: dict[str, type[BaseModel]] = {
    "workspace": WorkspaceConfig,
    "environment": EnvironmentConfig,
    "image": ImageConfig,
    "build": BuildConfig,
}

# Keys that take a text or an object.
_TWO_FORMS = ("workspace", "environment", "conda_file", "image")


@dataclass(frozen=True, slots=True, kw_only=True)
class MLflowOptions:
    """What the caller asked of MLflow itself, which MLflow passes on inside the config.

    Args:
        synchronous: From Python: whether MLflow will call `wait()` next.
        env_manager: `local` means: do not run the project's own environment.
        build_image: Build the project's Dockerfile.
        docker_args: Arguments for `docker run`: name and value, or True for a flag.
    """

    synchronous: bool = True
    env_manager: str | None = None
    build_image: bool = False
    docker_args: Mapping[str, str | bool] = field(default_factory=dict)


def read_backend_config(raw: Mapping[str, Any]) -> tuple[BackendConfig, MLflowOptions]:
    """Validate a backend config; report all of its problems at once.

    Args:
        raw: The JSON object, with the keys that MLflow adds.

    Raises:
        ConfigError: The config is not as the schema says; names key, problem and what is allowed.
    """
    own = {key: value for key, value in raw.items() if key not in _MLFLOW_KEYS}
    problems: list[str] = []
    config: BackendConfig | None = None
    try:
        config = BackendConfig.model_validate(own)
    except ValidationError as error:
        problems += _problems(error)
    if problems or config is None:
        raise ConfigError(_message(problems))
    return config, MLflowOptions(
        synchronous=bool(raw.get("SYNCHRONOUS", True)),
        env_manager=raw.get("ENV_MANAGER"),
        build_image=bool(raw.get("build_image")),
        docker_args=MappingProxyType(dict(raw.get("DOCKER_ARGS") or {})),
    )


def environment_section(raw: Mapping[str, Any], *, where: str) -> EnvironmentConfig:
    """Validate the content of an environment's YAML file.

    Args:
        raw: The content.
        where: The file's path, for messages.

    Raises:
        ConfigError: It is not as Azure ML's environment YAML is.
    """
    try:
        return BackendConfig.model_validate({"environment": dict(raw)}).environment  # type: ignore[return-value]
    except ValidationError as error:
        raise ConfigError(_message(list(_problems(error)), where)) from error


def _problems(error: ValidationError) -> Iterable[str]:
    for finding in error.errors(include_url=False):
        location = without_tags(_without_forms([str(part) for part in finding["loc"]]))
        if finding["type"] == "extra_forbidden":
            text = _unknown_key(location, sweep_section(finding["loc"]))
        elif finding["type"] == "missing":
            text = "is missing"
        else:
            wanted = _WANTED.get(finding["type"], finding["msg"]).format(**finding.get("ctx", {}))
            either_form = finding["loc"][-1] != location[-1] and finding["type"] == "string_type"
            either = " or an object" if either_form else ""
            text = f"{wanted}{either}, got {_shown(finding['input'])}"
            if finding["loc"][2:] == ("[key]",):  # pydantic's mark for the key itself
                location, text = location[:-2], f"a key {text}"
        yield f"{'.'.join(location)}: {text}"


def _without_forms(location: list[str]) -> list[str]:
    """Leave out the marks that tell which of two forms a key was read as (schema.py)."""
    before = ["", *location]
    return [
        part
        for part, key in zip(location, before, strict=False)
        if key not in _TWO_FORMS or part not in ("<object>", "<text>")
    ]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004


def _unknown_key(location: list[str], section: type[BaseModel] | None) -> str:
    if section is None:
        section = _SECTIONS[location[-2]] if len(location) > 1 else BackendConfig
    allowed = list(section.model_fields)
    near = difflib.get_close_matches(location[-1].lower(), allowed, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"unknown key.{hint} Allowed: {', '.join(allowed)}"


def _message(problems: list[str], where: str = "Backend config") -> str:
    if len(problems) == 1:
        return f"{where}: {problems[0]}."
    lines = "".join(f"\n  - {problem}." for problem in problems)
    return f"{where}: {len(problems)} problems:{lines}"

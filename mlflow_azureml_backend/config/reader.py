"""From the raw mapping that MLflow hands over to a `BackendConfig`, or one clear message."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from mlflow_azureml_backend.config.data_schema import InputConfig, OutputConfig, SnapshotConfig
from mlflow_azureml_backend.config.environment_schema import BuildConfig, EnvironmentConfig
from mlflow_azureml_backend.config.job_schema import (
    BY_TYPE,
    LimitsConfig,
    QueueSettingsConfig,
    ResourcesConfig,
)
from mlflow_azureml_backend.config.legacy import modernized
from mlflow_azureml_backend.config.schema import (
    BackendConfig,
    ImageConfig,
    LockConfig,
    WorkspaceConfig,
)
from mlflow_azureml_backend.config.steps_schema import StepConfig
from mlflow_azureml_backend.config.sweep_schema import sweep_section, without_tags
from mlflow_azureml_backend.config.variables import SecretConfig
from mlflow_azureml_backend.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# What `mlflow.projects` adds to every backend config (its `PROJECT_*` constants).
_MLFLOW_KEYS = (
    "ENV_MANAGER",
    "SYNCHRONOUS",
    "DOCKER_ARGS",
    "STORAGE_DIR",
    "build_image",
    "docker_auth",
)

_LOGIN = ("username", "password", "email", "registry", "reauth", "dockercfg_path")

_WANTED = {
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "greater_than": "must be greater than {gt}",
    "list_type": "must be a list",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
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
    "lock": LockConfig,
    "resources": ResourcesConfig,
    "limits": LimitsConfig,
    "queue_settings": QueueSettingsConfig,
    "snapshot": SnapshotConfig,
}

# Objects whose keys are names of the user's own, and what stands below each.
_NAMED_SECTIONS: dict[str, type[BaseModel]] = {"inputs": InputConfig, "outputs": OutputConfig}

# Keys that take a text or an object.
_TWO_FORMS = ("workspace", "environment", "conda_file", "image")

# The marks of the models that a `type` chooses, by where one can stand: under the key itself, or
# one level below it, under a name of the user's.
_CHOSEN = {f"<{model.__name__}>": model for models in BY_TYPE.values() for model in models.values()}


@dataclass(frozen=True, slots=True, kw_only=True)
class MLflowOptions:
    """What the caller asked of MLflow itself, which MLflow passes on inside the config.

    Args:
        env_manager: `local` means: do not run the project's own environment.
        build_image: Build the project's Dockerfile.
        docker_args: Arguments for `docker run`: name and value, or True for a flag.
        docker_auth: Arguments of docker-py's `login`, which holds a password.
        notes: What the user should know of how the config was read.
        storage_dir: Folder that data is downloaded to, or None for a temporary one.
    """

    env_manager: str | None = None
    build_image: bool = False
    docker_args: Mapping[str, str | bool] = field(default_factory=dict)
    docker_auth: Mapping[str, Any] | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    storage_dir: str | None = None


def read_backend_config(raw: Mapping[str, Any]) -> tuple[BackendConfig, MLflowOptions]:
    """Validate a backend config; report all of its problems at once.

    Args:
        raw: The JSON object, with the keys that MLflow adds.

    Raises:
        ConfigError: The config is not as the schema says; names key, problem and what is allowed.
    """
    own, notes = modernized({k: value for k, value in raw.items() if k not in _MLFLOW_KEYS})
    problems: list[str] = []
    config: BackendConfig | None = None
    try:
        config = BackendConfig.model_validate(own)
    except ValidationError as error:
        problems += _problems(error)
    if problems or config is None:
        raise ConfigError(config_message(problems))
    return config, MLflowOptions(
        env_manager=raw.get("ENV_MANAGER"),
        build_image=bool(raw.get("build_image")),
        docker_args=MappingProxyType(dict(raw.get("DOCKER_ARGS") or {})),
        notes=tuple(notes),
        docker_auth=_docker_auth(raw.get("docker_auth")),
        storage_dir=raw.get("STORAGE_DIR") or None,
    )


def _docker_auth(given: Any) -> Mapping[str, Any] | None:
    if given is None:
        return None
    wrong = not isinstance(given, dict) or not set(given) <= set(_LOGIN) or "username" not in given
    if wrong:  # whose values are secret: none of them is shown
        raise ConfigError(
            "docker_auth must hold `username`, and what else docker-py's `login` takes: "
            f"{', '.join(_LOGIN[1:])}."
        )
    return MappingProxyType(dict(given))


def read_section(raw: Mapping[str, Any], *, where: str) -> BackendConfig:
    """Validate a config that was put together of several places.

    Args:
        raw: The content, without what MLflow adds.
        where: Where it comes from, for messages.

    Raises:
        ConfigError: It is not as the schema says.
    """
    try:
        return BackendConfig.model_validate(dict(raw))
    except ValidationError as error:
        raise ConfigError(config_message(list(_problems(error)), where)) from error


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
        raise ConfigError(config_message(list(_problems(error)), where)) from error


def _problems(error: ValidationError) -> Iterable[str]:
    for finding in error.errors(include_url=False):
        step, found = _step(finding["loc"])
        location = without_tags(_without_forms(found))
        if not location:  # two keys that do not go together
            yield finding["msg"]
            continue
        if finding["type"] == "extra_forbidden":
            section = sweep_section(finding["loc"]) or _section(found)
            if step and section is BackendConfig:
                section = StepConfig
            text = _unknown_key(location, section)
        elif finding["type"] == "missing":
            text = "is missing"
        else:
            wanted = _WANTED.get(finding["type"], finding["msg"]).format(**finding.get("ctx", {}))
            wanted = wanted.replace("be True", "be true")  # pydantic spells JSON's as Python's
            either_form = finding["loc"][-1] != location[-1] and finding["type"] == "string_type"
            either = " or an object" if either_form else ""
            # What is no variable may be a secret all the same.
            secret = location[0] == "environment_variables"
            got = "" if secret else f", got {_shown(finding['input'])}"
            text = f"{wanted}{either}{got}"
            if finding["loc"][-1:] == ("[key]",):  # pydantic's mark for the key itself
                location, text = location[:-2], f"a key {text}"
        yield f"{'.'.join([*step, *location])}: {text}"


def _step(loc: tuple[int | str, ...]) -> tuple[list[str], list[str]]:
    """Split a place into the step that it is in, if it is in one, and the place in there."""
    parts = [str(part) for part in loc]
    in_step = parts[0:1] == ["steps"] and len(parts) > 2 and parts[2] != "[key]"  # noqa: PLR2004  # steps, name, key
    return (parts[:2], parts[2:]) if in_step else ([], parts)


def _without_forms(location: list[str]) -> list[str]:
    """Leave out the marks that tell which of several forms a key was read as (schema.py)."""
    return [part for index, part in enumerate(location) if not _is_mark(location, index)]


def _is_mark(location: list[str], index: int) -> bool:
    part, key = location[index], location[index - 1] if index else ""
    under_a_name = location[: index - 1] if index > 1 else []
    if part in ("<object>", "<text>"):
        named = under_a_name in (["environment_variables"], *([name] for name in _NAMED_SECTIONS))
        return key in _TWO_FORMS or named
    return part in _CHOSEN and (key in BY_TYPE or under_a_name == ["services"])


def _section(location: list[str]) -> type[BaseModel]:
    """Give the model that the last key of a mistake's place was looked up in."""
    if len(location) > 1 and location[0] in _NAMED_SECTIONS:
        return _NAMED_SECTIONS[location[0]]
    for index in range(len(location) - 2, -1, -1):
        if location[index] in _CHOSEN and _is_mark(location, index):
            return _CHOSEN[location[index]]
        if not _is_mark(location, index):
            return _SECTIONS.get(location[index], SecretConfig)
    return BackendConfig


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004


def _unknown_key(location: list[str], section: type[BaseModel]) -> str:
    allowed = list(section.model_fields)
    near = difflib.get_close_matches(location[-1].lower(), allowed, n=1, cutoff=0.5)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return f"unknown key.{hint} Allowed: {', '.join(allowed)}"


def config_message(problems: Sequence[str], where: str = "Backend config") -> str:
    """Put problems together as one message.

    Args:
        problems: At least one, without a full stop.
        where: Where they are.
    """
    if len(problems) == 1:
        return f"{where}: {problems[0]}."
    lines = "".join(f"\n  - {problem}." for problem in problems)
    return f"{where}: {len(problems)} problems:{lines}"

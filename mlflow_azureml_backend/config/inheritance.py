"""What a job hands down to the runs that it starts itself: its backend config, less its own part.

It travels in one variable of the job, which everybody can read who can read the workspace: no
secret is in it, and no value of the machine that submitted the job.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.config.environment_schema import EnvironmentConfig
from mlflow_azureml_backend.config.job_file import laid_over
from mlflow_azureml_backend.config.schema import ImageConfig
from mlflow_azureml_backend.config.variables import (
    SECRETS,
    SecretConfig,
    is_secret,
    reference_of_url,
    uses_client_variable,
)
from mlflow_azureml_backend.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.config.schema import BackendConfig

VARIABLE = "MLFLOW_AZUREML_PARENT"
"""The variable of a job that holds what it hands down, as JSON."""

HANDED_DOWN = (
    *("compute", "environment", "image", "inject", "lock"),
    *("environment_variables", "resources", "distribution", "limits", "queue_settings"),
    *("identity", "tags", "properties", "snapshot", "max_input_size", "queue_timeout"),
    "mirror_artifacts",
)
"""Keys of the backend config that hold for the runs of a job as for the job itself."""

ITS_OWN = MappingProxyType(
    {
        "workspace": "the service tells a job its workspace",
        "experiment_name": "the service tells a job its experiment, and MLflow hands that on",
        "inputs": "what the job reads",
        "outputs": "what the job writes",
        "display_name": "names the job",
        "description": "describes the job",
        "services": "opens the job to its user",
        "parent_job_name": "is the job, for the runs that it starts",
        "nested_runs": "is about the job's entry point",
        "is_deterministic": "changes nothing",
        "job_file": "is laid under the other keys, which are handed down",
        "dry_run": "asks for no run at all",
        "sweep": "varies the job's parameters",
        "steps": "says which runs the job consists of",
        "tracking": "the job's tracking URI decides for the runs that it starts",
        "register_model": "names the job's model",
        "stream": "is about the terminal of who started the job",
        "on_interrupt": "is about the keyboard of who started the job",
    }
)
"""All other keys, and why a job keeps them to itself."""

# Who chooses one of them for a run chooses anew what it runs in.
_RUNS_IN = ("environment", "image", "inject", "lock")
# A job gets these from the service or from us: the ones of its parent would lead it astray.
_A_JOBS_OWN = (VARIABLE, SECRETS, "MLFLOW_RUN_ID", "AZUREML_RUN_ID")
_LOGIN_IN_URL = re.compile(r"://[^/\s\"'@]+@")
# Linux takes 128 KiB for one variable, and the service has limits of its own.
_MOST_BYTES = 32 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Inheritance:
    """Hold what a job hands down.

    Args:
        config: Keys of the backend config, as the schema takes them.
        secrets: Names of the variables that the job reads from a Key Vault.
        env_manager: MLflow's `env_manager` of the job, or None.
        git: The commit of the job's project, as `GitSource` has it, or None.
        left_out: Key, or `environment_variables.NAME` -> why it is not handed down.
    """

    config: Mapping[str, Any]
    secrets: tuple[str, ...] = ()
    env_manager: str | None = None
    git: Mapping[str, Any] | None = None
    left_out: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def as_text(self) -> str:
        """Write it as the variable's value, in which no expression of Azure ML can be.

        Raises:
            ConfigError: It is longer than a variable should be.
        """
        parts = {
            "config": dict(self.config),
            "secrets": list(self.secrets),
            "env_manager": self.env_manager,
            "git": self.git and dict(self.git),
            "left_out": dict(self.left_out),
        }
        said = {key: part for key, part in parts.items() if part}
        text = json.dumps(said, default=str, separators=(",", ":")).replace("${{", "$\\u007b{")
        if len(text) > _MOST_BYTES:
            raise ConfigError(
                f"Backend config: the job starts runs itself, and what it hands down to them has "
                f"{len(text):,} bytes; {_MOST_BYTES:,} are taken. Say less in the config, or set "
                '"nested_runs": false and give those runs a config of their own.'
            )
        return text


def hand_down(
    config: BackendConfig,
    read: BackendConfig,
    *,
    env_manager: str | None,
    git: Mapping[str, Any] | None,
) -> Inheritance:
    """Choose what a job hands down.

    Args:
        config: The job's backend config, laid over its job file.
        read: The same, the files that it names read.
        env_manager: MLflow's `env_manager`, or None.
        git: The commit of the job's project, or None.
    """
    left_out: dict[str, str] = {}
    down = config.model_dump(exclude_unset=True, include=set(HANDED_DOWN), mode="json")
    down.pop("environment_variables", None)
    if isinstance(read.environment, EnvironmentConfig):
        down["environment"] = read.environment.model_dump(exclude_none=True, mode="json")
        if read.environment.build is not None:
            down.pop("environment")
            left_out["environment"] = "its build context is a folder of the client"
    if isinstance(config.image, ImageConfig) and config.image.repository is not None:
        down.pop("image")
        left_out["image"] = "it is about the Docker Engine of the client"
    for key in list(down):
        if _LOGIN_IN_URL.search(json.dumps(down[key])):
            down.pop(key)
            left_out[key] = "it holds a URL with a login"
    variables, secrets = _variables(config, left_out)
    if variables:
        down["environment_variables"] = variables
    return Inheritance(
        config=MappingProxyType(down),
        secrets=tuple(secrets),
        env_manager=env_manager,
        git=git,
        left_out=MappingProxyType(left_out),
    )


def _variables(config: BackendConfig, left_out: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Give the variables that a job hands down, and the names of those that are secret."""
    open_ones: dict[str, str] = {}
    secrets: list[str] = []
    for name, given in config.environment_variables.items():
        if name in _A_JOBS_OWN:
            continue
        if isinstance(given, SecretConfig) or is_secret(given):
            secrets.append(name)
        elif uses_client_variable(given):
            # The job has the value, under the variable's own name.
            open_ones[name] = f"${{env:{name}}}"
        elif _LOGIN_IN_URL.search(given):
            left_out[f"environment_variables.{name}"] = "it holds a URL with a login"
        else:
            open_ones[name] = given
    return open_ones, secrets


def inheritance_of(environ: Mapping[str, str]) -> Inheritance | None:
    """Read what the job that this process is in hands down; None outside of such a job.

    Args:
        environ: This process's variables.

    Raises:
        ConfigError: The variable does not hold what a job was given.
    """
    text = environ.get(VARIABLE)
    if not text:
        return None
    try:
        said = json.loads(text)
        parent = Inheritance(
            config=dict(said.get("config") or {}),
            secrets=tuple(said.get("secrets") or ()),
            env_manager=said.get("env_manager"),
            git=said.get("git"),
            left_out=dict(said.get("left_out") or {}),
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"The variable {VARIABLE} does not hold what the job of this process was given. Unset "
            "it to run without the config of that job."
        ) from error
    if strange := sorted(set(parent.config) - set(HANDED_DOWN)):
        raise ConfigError(
            f"The variable {VARIABLE} hands down {', '.join(strange)}, which this version of "
            "mlflow-azureml-backend does not. The job needs the version that submitted it."
        )
    return parent


def with_inherited(
    config: BackendConfig, parent: Inheritance, environ: Mapping[str, str]
) -> tuple[BackendConfig, tuple[str, ...]]:
    """Lay a run's config over what the job that starts it hands down, as over a job file.

    Args:
        config: The run's own backend config, laid over its job file.
        parent: What the job hands down.
        environ: This process's variables, which tell where the job's secrets are.

    Returns:
        The config, and a line for each key that it lacks because it was not handed down.

    Raises:
        ConfigError: The two do not go together.
    """
    given = config.model_fields_set
    base = dict(parent.config)
    if given & {"environment", "image"}:
        for key in _RUNS_IN:
            base.pop(key, None)
    lacking = {key: why for key, why in parent.left_out.items() if key.split(".")[0] not in given}
    stored = _stored_secrets(environ)
    variables = dict(base.get("environment_variables") or {})
    for name in parent.secrets:
        if name in stored:
            variables[name] = stored[name]
        elif name not in config.environment_variables:
            lacking[f"environment_variables.{name}"] = "this job has no such secret"
    # What a run sets itself needs no variable of this process.
    for name, text in list(variables.items()):
        if text == f"${{env:{name}}}" and name not in environ:
            del variables[name]
            if name not in config.environment_variables:
                lacking[f"environment_variables.{name}"] = "this process has unset it"
    if variables:
        base["environment_variables"] = variables
    laid = laid_over(config, base, where=f"What the job of this process hands down ({VARIABLE})")
    lines = [f"{key} of the parent is not handed down: {why}" for key, why in lacking.items()]
    return laid, tuple(lines)


def _stored_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Say where the job's secret variables are, as a config does."""
    try:
        urls = json.loads(environ.get(SECRETS) or "{}")
    except ValueError:
        return {}
    found = {name: reference_of_url(str(url)) for name, url in urls.items()}
    return {name: reference for name, reference in found.items() if reference}

"""`environment_variables` of the config: texts, this machine's variables, and secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from mlflow_azureml_backend.config.values import (
    OBJECT,
    TEXT,
    TEXT_OR_OBJECT,
    ScalarText,
    Section,
    Text,
)
from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.job import SecretVariable

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRETS = "MLFLOW_AZUREML_SECRETS"
"""The variable of a job that names its secrets: JSON of variable and the secret's URL."""

_KEY_VAULT = "keyvault:"
# Key Vault's own rules: vaults have 3 to 24 characters, secrets up to 127, versions 32.
_REFERENCE = re.compile(
    r"(?:(?P<vault>[a-zA-Z](?:-?[a-zA-Z0-9]){2,23})/)?(?P<name>[0-9a-zA-Z-]{1,127})"
    r"(?:/(?P<version>[0-9a-f]{32}))?"
)
_SECRET_URL = re.compile(r"https://(?P<vault>[^./]+)\.vault\.[^/]+/secrets/(?P<secret>[^?#]+)")
_CLIENT = re.compile(r"\$?\$\{env:(?P<name>[^}]*)\}")
_SHELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPED = "$$"


def _name(value: str) -> str:
    if "=" in value or "\0" in value:
        raise PydanticCustomError("variable_name", "must not hold '=' or a zero byte")
    return value


def _text(value: str) -> str:
    if "\0" in value:
        raise PydanticCustomError("variable", "must not hold a zero byte")
    if value.startswith(_KEY_VAULT) and not _REFERENCE.fullmatch(value.removeprefix(_KEY_VAULT)):
        raise PydanticCustomError(
            "keyvault",
            "must be 'keyvault:NAME' or 'keyvault:VAULT/NAME', with '/VERSION' or without; a name "
            "is of letters, digits and hyphens",
        )
    return value


class SecretConfig(Section):
    """A value that is kept out of the job: it travels through the workspace's Key Vault."""

    value: Annotated[ScalarText, AfterValidator(_text)] = Field(
        repr=False, description="The value; best '${env:NAME}', a variable of this machine."
    )
    secret: Literal[True] = Field(description="Always true; write a text for what is no secret.")


VariableName = Annotated[Text, AfterValidator(_name)]
Variable = Annotated[
    Annotated[SecretConfig, OBJECT] | Annotated[ScalarText, AfterValidator(_text), TEXT],
    TEXT_OR_OBJECT,
]


def is_secret(given: SecretConfig | str) -> bool:
    """Tell whether a variable's value is kept out of the job."""
    return isinstance(given, SecretConfig) or given.startswith(_KEY_VAULT)


def uses_client_variable(text: str) -> bool:
    """Tell whether a value has a variable of this machine in it, as `${env:NAME}`."""
    return any(not found[0].startswith(_ESCAPED) for found in _CLIENT.finditer(text))


def reference_of_url(url: str) -> str | None:
    """Give `keyvault:VAULT/NAME…` for the URL of a secret, or None for another one."""
    found = _SECRET_URL.fullmatch(url)
    return f"{_KEY_VAULT}{found['vault']}/{found['secret']}" if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """Hold the variables of a job: those that it shows, and the secret ones."""

    open: Mapping[str, str]
    secret: Mapping[str, SecretVariable]


def resolve_variables(
    wanted: Mapping[str, SecretConfig | str], environ: Mapping[str, str]
) -> Variables:
    """Fill this machine's variables into those of the config, and set the secret ones apart.

    Args:
        wanted: The config's `environment_variables`.
        environ: This machine's variables.

    Raises:
        ConfigError: One of this machine's variables is not set, or a secret cannot have its
            name; names all of them.
    """
    missing: list[str] = []
    unfit = [
        name
        for name, given in wanted.items()
        if is_secret(given) and not _SHELL_NAME.fullmatch(name)
    ]
    if unfit:
        raise ConfigError(
            f"Backend config: environment_variables: {', '.join(unfit)}: the name of a secret "
            "variable is of letters, digits and underscores, and begins with no digit."
        )
    shown: dict[str, str] = {}
    secret: dict[str, SecretVariable] = {}
    for name, given in wanted.items():
        text = given.value if isinstance(given, SecretConfig) else given
        if text.startswith(_KEY_VAULT):
            secret[name] = SecretVariable(reference=text.removeprefix(_KEY_VAULT))
            continue
        missing += [
            f"environment_variables.{name}: this machine has no variable '{absent}'"
            for absent in _absent(text, environ)
        ]
        value = _CLIENT.sub(lambda found: _filled(found, environ), text)
        if isinstance(given, SecretConfig):
            secret[name] = SecretVariable(value=value)
        else:
            shown[name] = value
    if missing:
        raise ConfigError(
            f"Backend config: {'; '.join(missing)}. Set it before `mlflow run`, or write "
            "'$${env:…}' for a text that only looks like it."
        )
    return Variables(open=shown, secret=secret)


def key_vault_reference(reference: str) -> tuple[str | None, str]:
    """Split the reference of a secret into its vault, or None, and `NAME` or `NAME/VERSION`.

    Args:
        reference: As the config has it, behind `keyvault:`.
    """
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise ConfigError(f"'{reference}' names no secret of a Key Vault.")
    secret = found["name"] if found["version"] is None else f"{found['name']}/{found['version']}"
    return found["vault"], secret


def _absent(text: str, environ: Mapping[str, str]) -> list[str]:
    names = [found["name"] for found in _CLIENT.finditer(text) if not found[0].startswith(_ESCAPED)]
    return [name for name in names if name not in environ]


def _filled(found: re.Match[str], environ: Mapping[str, str]) -> str:
    if found[0].startswith(_ESCAPED):
        return found[0][1:]
    return environ.get(found["name"], "")

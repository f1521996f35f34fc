"""Environments: what a job's command runs in, by image, conda file or build context."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import yaml

from mlflow_azureml_backend.emulator.assets import AssetKind
from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.field_checks import DESCRIBED, invalid
from mlflow_azureml_backend.emulator.resources import filled
from mlflow_azureml_backend.emulator.routes.assets import asset_routes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.resources import WorkspaceKey

_SHAPE: Final[Mapping[str, Any]] = {
    "description": None,
    "tags": {},
    "properties": {},
    "isArchived": False,
    "isAnonymous": False,
    "autoDeleteSetting": None,
    "environmentType": "UserCreated",
    "condaFile": "",
    "osType": "Linux",
    "autoRebuild": "Disabled",
    "provisioningState": "Succeeded",
    "stage": "Logged",
    "intellectualProperty": None,
}
_BUILD: Final = {"contextUri": None, "dockerfilePath": "Dockerfile"}


def environment_not_found(name: str, version: str = "") -> ServiceError:
    """Build the 404 for an environment, or for one version of it."""
    return ServiceError(
        404,
        "UserError",
        f"No environment exists for name: {name}, version: {version}, label: ",
        inner=("NotFoundError",),
    )


def _accept(key: WorkspaceKey, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Take an environment as the service does: a conda file comes in as YAML, and goes out as JSON.

    Raises:
        ServiceError: 400 for a conda file that is no YAML mapping, and for an environment with
            neither an image nor a build context.
    """
    del key
    environment = {name: value for name, value in sent.items() if value is not None}
    if not environment.get("image") and not environment.get("build"):
        raise invalid("Environment has to define either an image or a build context.")
    if conda_file := environment.get("condaFile"):
        environment["condaFile"] = json.dumps(_conda(conda_file), default=str)
    if build := environment.get("build"):
        if not build.get("contextUri"):
            raise invalid("The ContextUri field is required.")
        environment["build"] = filled(_BUILD, build)
    return environment


def _conda(text: str) -> dict[str, Any]:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise invalid(f"The conda file of the environment is not valid YAML: {error}") from None
    if not isinstance(document, dict):
        raise invalid("The conda file of the environment has to be a mapping.")
    return document


def _changed(name: str, version: str) -> ServiceError:
    # Clients count on the status: azure-ai-ml answers it by registering the next version.
    return ServiceError(
        409,
        "UserError",
        f"Environment {name} with version {version} is already registered and cannot be changed. "
        "Register a new version.",
        inner=("Conflict", "EnvironmentVersionExists"),
    )


ENVIRONMENTS: Final = AssetKind(
    kind="environment",
    segment="environments",
    fields={
        **DESCRIBED,
        "image": str,
        "condaFile": str,
        "build": {"contextUri": str, "dockerfilePath": str},
    },
    shape=_SHAPE,
    accept=_accept,
    missing_version=environment_not_found,
    missing_container=environment_not_found,
    fixed=("image", "condaFile", "build"),
    changed=_changed,
    always_created=True,
    lists_unknown=True,
)
"""How environments are stored and found."""

ROUTES: Final = asset_routes(ENVIRONMENTS)

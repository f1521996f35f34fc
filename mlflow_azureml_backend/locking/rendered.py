"""A lock as the conda file that Azure ML gets: conda-lock's kind `env`."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import yaml

from mlflow_azureml_backend.locking.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.locking.lock_file import Lock, Package
    from mlflow_azureml_backend.locking.request import LockRequest


def locked_conda_file(
    conda: Mapping[str, Any], request: LockRequest, lock: Lock
) -> Mapping[str, Any]:
    """Give the conda file with exact packages instead of what it asked for.

    Args:
        conda: The conda file as it was; its name and variables stay.
        request: What was asked for; its channels and pip options stay, secrets included.
        lock: The packages.
    """
    packages = lock.for_platform(request.platforms[0])
    dependencies: list[Any] = [
        f"{package.name}={package.version}={package.build}"
        for package in packages
        if package.manager == "conda"
    ]
    pinned = [_pinned(package) for package in packages if package.manager == "pip"]
    if pinned:
        dependencies.append({"pip": [*request.options, *pinned]})
    # Without it conda would add `defaults`, which may have the same builds.
    closing = ["nodefaults"] if "nodefaults" in (conda.get("channels") or []) else []
    channels = [*request.channels, *closing]
    return MappingProxyType({**conda, "channels": channels, "dependencies": dependencies})


def as_text(conda_file: Mapping[str, Any], *, heading: str) -> str:
    """Write what a locked conda file installs, for people: no variables, and no secrets in URLs.

    Args:
        conda_file: The locked conda file.
        heading: What it is; becomes a comment.
    """
    shown = {key: conda_file[key] for key in ("channels", "dependencies")}
    text = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=1000)
    return f"# {heading}\n{without_secrets(text)}"


def _pinned(package: Package) -> str:
    if package.source:
        return f"{package.name} @ {package.source}"
    return f"{package.name} == {package.version} --hash=sha256:{package.sha256}"

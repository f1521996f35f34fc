"""conda-lock's file format, version 1: what is kept beside the project."""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml

from mlflow_azureml_backend.errors import LockError
from mlflow_azureml_backend.locking.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow_azureml_backend.locking.request import LockRequest

_MAKER = "mlflow-azureml lock"
_HEAD = """\
# Made by `mlflow-azureml lock`, in the format of conda-lock: `conda-lock install` reads it too.
# Keep it with the project. To make it anew: mlflow-azureml lock .
"""
_ENDING = re.compile(r"\.(conda|tar\.bz2)$")
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One package of a lock: an exact file.

    Args:
        manager: `conda` or `pip`.
        platform: Conda platform.
        source: For a pip package that is asked for by its URL: that URL with its hash.
    """

    name: str
    version: str
    manager: str
    platform: str
    url: str
    md5: str | None = None
    sha256: str | None = None
    dependencies: Mapping[str, str] = field(default_factory=dict)
    source: str | None = None

    @property
    def build(self) -> str:
        """The build string of a conda package."""
        return _ENDING.sub("", PurePosixPath(urlsplit(self.url).path).name).rpartition("-")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A lock: what was asked for, and the packages that answer it.

    Args:
        content_hash: Hash of the request.
        request: The request, as JSON has it.
    """

    content_hash: str
    request: Mapping[str, Any]
    packages: tuple[Package, ...]

    def for_platform(self, platform: str) -> tuple[Package, ...]:
        """Give the packages of one platform."""
        return tuple(package for package in self.packages if package.platform == platform)


def read_lock(file: Path) -> Lock | None:
    """Read a lock file, or give None when there is none.

    Args:
        file: The lock file.

    Raises:
        LockError: It cannot be read, or somebody else made it: that one is not ours to replace.
    """
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LockError(f"{file} cannot be read: {error.strerror}.") from error
    cure = 'Delete it to have it made anew, or name another with `lock`: {"file": …}.'
    try:
        document = yaml.load(text, _Loader)  # noqa: S506  # a safe loader
        metadata = document["metadata"]
        known = metadata.get("custom_metadata") or {}
        if known.get("made_by") != _MAKER:
            raise LockError(f"{file} was not made by `{_MAKER}`. {cure}")
        [content_hash] = set(metadata["content_hash"].values())
        return Lock(
            content_hash=content_hash,
            request=json.loads(known["request"]),
            packages=packages_of(document),
        )
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise LockError(f"{file} is no lock file in conda-lock's format. {cure}") from error


def new_lock(request: LockRequest, packages: Sequence[Package]) -> Lock:
    """Put a request and the packages that answer it together."""
    order = sorted(packages, key=lambda each: (each.platform, each.manager, each.name))
    return Lock(
        content_hash=request.content_hash,
        request=request.as_document(),
        packages=tuple(replace(each, url=without_secrets(each.url)) for each in order),
    )


def write_lock(lock: Lock, file: Path, *, source: str) -> None:
    """Write a lock file, whole or not at all.

    Args:
        lock: What is written.
        file: Where to.
        source: The file that was locked, for people.

    Raises:
        LockError: It cannot be written.
    """
    platforms = list(lock.request["platforms"])
    document = {
        "version": 1,
        "metadata": {
            "content_hash": dict.fromkeys(platforms, lock.content_hash),
            "channels": [
                {"url": channel, "used_env_vars": []} for channel in lock.request["channels"]
            ],
            "platforms": platforms,
            "sources": [source],
            "custom_metadata": {
                "made_by": _MAKER,
                "request": json.dumps(lock.request, ensure_ascii=False),
            },
        },
        "package": [_entry(package) for package in lock.packages],
    }
    text = _HEAD + yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Another run may read it at this moment.
        handle, beside = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        with os.fdopen(handle, "wb") as out:
            out.write(text.encode("utf-8"))
        Path(beside).chmod(0o644)
        Path(beside).replace(file)
    except OSError as error:
        raise LockError(f"{file} cannot be written: {error.strerror}.") from error


def packages_of(document: Mapping[str, Any]) -> tuple[Package, ...]:
    """Read the packages of a document in conda-lock's format, virtual ones left out."""
    return tuple(
        Package(
            name=str(entry["name"]),
            version=str(entry["version"]),
            manager=str(entry["manager"]),
            platform=str(entry["platform"]),
            url=str(entry["url"]),
            md5=entry["hash"].get("md5"),
            sha256=entry["hash"].get("sha256"),
            dependencies=entry.get("dependencies") or {},
            source=(entry.get("source") or {}).get("url"),
        )
        for entry in document["package"]
        if not entry["name"].startswith("__")
    )


def _entry(package: Package) -> dict[str, Any]:
    hashes = {"md5": package.md5, "sha256": package.sha256}
    return {
        "name": package.name,
        "version": package.version,
        "manager": package.manager,
        "platform": package.platform,
        "dependencies": dict(sorted(package.dependencies.items())),
        "url": package.url,
        "hash": {name: value for name, value in hashes.items() if value is not None},
        **({"source": {"type": "url", "url": package.source}} if package.source else {}),
        "category": "main",
        "optional": False,
    }

"""What the package index knows of azureml-mlflow, asked through pip and so by its settings."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.version import Version

from mlflow_azureml_backend.translate.plugin_releases import PLUGIN

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

# Older ones need azureml-core, the retired SDK.
_OLDEST = Version("1.44")
_AT_ONCE = 4


class PackageIndexError(Exception):
    """Say why the package index could not be asked."""


def plugin_document(known: Mapping[str, Any], *, today: date) -> dict[str, Any]:
    """Make the table of releases anew; a release that is known already is not asked for again.

    Args:
        known: the table as it is.
        today: the date it gets.

    Raises:
        PackageIndexError: pip is not there, or cannot reach an index.
    """
    wanted = [text for text in _versions(PLUGIN) if Version(text) >= _OLDEST]
    missing = [text for text in wanted if text not in known["releases"]]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        told = dict(zip(missing, pool.map(_told, missing), strict=True))
    return {
        "source": f"the metadata of {PLUGIN} and the releases of mlflow in the package index",
        "date": today.isoformat(),
        "releases": {text: told.get(text) or known["releases"][text] for text in wanted},
        "mlflow": [text for text in _versions("mlflow") if Version(text) >= Version("1.0")],
    }


def _versions(package: str) -> list[str]:
    printed = _pip("index", "versions", package)
    match = re.search(r"^Available versions: (.*)$", printed, re.MULTILINE)
    if match is None:
        raise PackageIndexError(f"pip does not say which versions of {package} there are.")
    return match[1].split(", ")


def _told(version: str) -> dict[str, Any]:
    printed = _pip(
        *("install", "--dry-run", "--quiet", "--ignore-installed", "--no-deps"),
        *("--ignore-requires-python", "--report", "-", f"{PLUGIN}=={version}"),
    )
    metadata = json.loads(printed)["install"][0]["metadata"]
    requires = [text for text in metadata.get("requires_dist", []) if not Requirement(text).marker]
    return {"python": metadata.get("requires_python", ">=3.6"), "requires": requires}


def _pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines() or ["it says nothing"]
        raise PackageIndexError(
            f"pip cannot ask the package index ({' '.join(arguments[:3])} …): {reason[-1]}"
        )
    return done.stdout

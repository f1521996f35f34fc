"""Which release of azureml-mlflow works with which MLflow and which Python.

The table is a data file of this package, made from the package index by
`mlflow-azureml plugin refresh`. What a release declares is not always what it can do: that is said
here, in `_MLFLOW_2`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Mapping

PLUGIN = "azureml-mlflow"
TABLE = "azureml_mlflow_releases.json"

# The releases that name no newest MLflow fail with MLflow 3 at every artifact: "unexpected keyword
# argument 'tracking_uri'".
_MLFLOW_2 = SpecifierSet("<3", prereleases=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginRelease:
    """Describe one release of azureml-mlflow.

    Args:
        version: its version.
        mlflow: the versions of MLflow it works with.
        python: the versions of Python it can be installed in.
        requirements: what else it needs, as pip requirements, MLflow left out.
    """

    version: Version
    mlflow: SpecifierSet
    python: SpecifierSet
    requirements: tuple[str, ...]

    def requirement_for(self, package: str) -> SpecifierSet:
        """Give the versions of another package that it takes; all when it does not say."""
        for text in self.requirements:
            requirement = Requirement(text)
            if requirement.name == package:
                return requirement.specifier
        return SpecifierSet()


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginReleases:
    """Hold the table.

    Args:
        date: when it was made, as an ISO date.
        releases: the releases of azureml-mlflow, newest first.
        mlflow: the releases of MLflow there were at that date, newest first.
    """

    date: str
    releases: tuple[PluginRelease, ...]
    mlflow: tuple[Version, ...]

    @property
    def newest_mlflow(self) -> Version:
        """Give the newest MLflow that the newest release works with."""
        return max(version for version in self.mlflow if version in self.releases[0].mlflow)


def read_releases(document: Mapping[str, Any]) -> PluginReleases:
    """Read the table.

    Args:
        document: the data file's content.

    Raises:
        KeyError: Something is missing.
        ValueError: A version or a requirement is none.
    """
    releases = [_release(version, told) for version, told in document["releases"].items()]
    return PluginReleases(
        date=document["date"],
        releases=tuple(sorted(releases, key=lambda release: release.version, reverse=True)),
        mlflow=tuple(sorted(map(Version, document["mlflow"]), reverse=True)),
    )


@cache
def packaged_releases() -> PluginReleases:
    """Give the table this package came with."""
    return read_releases(json.loads(files(__package__).joinpath(TABLE).read_text("utf-8")))


def _release(version: str, told: Mapping[str, Any]) -> PluginRelease:
    mlflow = SpecifierSet()
    others = []
    for text in told["requires"]:
        requirement = Requirement(text)
        if requirement.name in {"mlflow", "mlflow-skinny"}:
            mlflow &= requirement.specifier
        else:
            others.append(text)
    bounded = any(part.operator in {"<", "<=", "==", "~="} for part in mlflow)
    return PluginRelease(
        version=Version(version),
        mlflow=mlflow if bounded else mlflow & _MLFLOW_2,
        python=SpecifierSet(told["python"]),
        requirements=tuple(others),
    )

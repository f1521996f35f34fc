"""Versions that are known not to work, alone or together."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING, NamedTuple

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from mlflow_azureml_backend.diagnosis.finding import Finding, State
from mlflow_azureml_backend.translate.plugin_releases import PLUGIN, packaged_releases

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow_azureml_backend.translate.plugin_releases import PluginReleases

_OURS = "mlflow-azureml-backend"
_PYTHON = SpecifierSet(">=3.10")
_TRIED_PYTHON = SpecifierSet("<3.14")

# Package -> the versions that this package works with, whether it must be there.
_NEEDED: Mapping[str, SpecifierSet] = {
    "mlflow": SpecifierSet(">=2.9,<4", prereleases=True),
    "azure-ai-ml": SpecifierSet(">=1.30,<2", prereleases=True),
    "azure-identity": SpecifierSet(">=1.15,<2", prereleases=True),
    "azure-storage-blob": SpecifierSet(">=12.19,<13", prereleases=True),
}


class _BadPair(NamedTuple):
    one: str
    one_versions: SpecifierSet
    other: str
    other_versions: SpecifierSet
    harm: str
    fix: str


def _all(specifiers: str) -> SpecifierSet:
    return SpecifierSet(specifiers, prereleases=True)


# Pairs that a resolver lets through, as neither's metadata speaks of the other's version.
_BAD_PAIRS = (
    _BadPair(
        "azureml-mlflow",
        _all("<1.61,!=1.60.0.post1"),
        "mlflow",
        _all(">=3"),
        'every artifact call in an azureml:// store fails with "unexpected keyword argument '
        "'tracking_uri'\"",
        "",  # said by the table of releases
    ),
    _BadPair(
        "mlflow",
        _all("<3"),
        "sqlalchemy",
        _all(">=2.1"),
        "MLflow 2 cannot open a SQL store with SQLAlchemy 2.1",
        "pip install 'sqlalchemy<2.1'",
    ),
    _BadPair(
        "azure-ai-ml",
        _all(">=0"),
        "marshmallow",
        _all(">=4"),
        "azure-ai-ml cannot be imported with marshmallow 4",
        "pip install 'marshmallow<4'",
    ),
)


def installed_versions() -> dict[str, str]:
    """Give the version of every installed package by its normalized name."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"]
        # The first on the path is the one that is imported.
        if name:
            found.setdefault(name.lower().replace("_", "-").replace(".", "-"), distribution.version)
    return found


def check_python(version: str = platform.python_version()) -> Iterator[Finding]:
    """Look at the Python that runs this."""
    if version not in _PYTHON:
        fix = "Make an environment with Python 3.10 to 3.13."
        yield Finding(name="Python", state=State.FAILURE, found=version, fix=fix)
    elif version not in SpecifierSet("<3.14", prereleases=True):
        fix = "Nothing, if it works; else make an environment with Python 3.10 to 3.13."
        found = f"{version}, newer than this package was tried with"
        yield Finding(name="Python", state=State.WARNING, found=found, fix=fix)
    else:
        yield Finding(name="Python", found=version)


def check_packages(installed: Mapping[str, str]) -> Iterator[Finding]:
    """Look at the packages that this one needs.

    Args:
        installed: Versions by normalized name.
    """
    for name, wanted in _NEEDED.items():
        version = installed.get(name)
        if version is not None and _is_in(version, wanted):
            yield Finding(name=name, found=version)
            continue
        yield Finding(
            name=name,
            state=State.FAILURE,
            found="not installed" if version is None else f"{version}, but {wanted} is needed",
            fix=f"pip install '{name}{wanted}'",
        )
    skinny, mlflow = installed.get("mlflow-skinny"), installed.get("mlflow")
    if skinny and mlflow and skinny != mlflow:
        # Both packages install the folder `mlflow/`: the later one wrote over the earlier.
        yield Finding(
            name="mlflow-skinny",
            state=State.FAILURE,
            found=f"{skinny} lies in the same folder as mlflow {mlflow}: which one is imported is "
            "chance",
            fix=f"pip install --force-reinstall --no-deps mlflow-skinny=={mlflow} mlflow=={mlflow}",
        )


def check_plugin(
    installed: Mapping[str, str],
    *,
    python: str = platform.python_version(),
    releases: PluginReleases | None = None,
) -> Iterator[Finding]:
    """Look at azureml-mlflow, which only azureml:// tracking stores need on this machine.

    Args:
        installed: Versions by normalized name.
        python: The Python that runs this.
        releases: Which release works with which MLflow; default: this package's table.
    """
    version, mlflow = installed.get(PLUGIN), installed.get("mlflow")
    if version is None:
        yield Finding(
            name=PLUGIN, found="not installed; only an azureml:// tracking store needs it here"
        )
        return
    known = releases or packaged_releases()
    fitting = [
        release.version
        for release in known.releases
        if mlflow and _is_in(mlflow, release.mlflow) and _is_in(python, release.python)
    ]
    fix = (
        f"pip install {PLUGIN}=={fitting[0]}"
        if fitting
        else f"pip install --no-deps {PLUGIN}=={known.releases[0].version}, or an MLflow up to "
        f"{known.newest_mlflow}."
    )
    this = next((r for r in known.releases if str(r.version) == str(Version(version))), None)
    broken = [pair for pair in _BAD_PAIRS if pair.one == PLUGIN and _is_met(pair, installed)]
    if broken:
        found = f"{version} with mlflow {mlflow}: {broken[0].harm}"
        yield Finding(name=PLUGIN, state=State.FAILURE, found=found, fix=fix)
    elif this is not None and mlflow and not _is_in(mlflow, this.mlflow):
        found = f"{version}, which was not released for mlflow {mlflow} ({this.mlflow})"
        state = State.WARNING if not fitting else State.FAILURE
        newest = this is known.releases[0]
        yield Finding(
            name=PLUGIN,
            state=State.WARNING if newest else state,
            found=found,
            fix=fix
            if not newest
            else f"Nothing, if it works; else an MLflow up to {known.newest_mlflow}.",
        )
    else:
        yield Finding(name=PLUGIN, found=version)


def check_pairs(installed: Mapping[str, str]) -> Iterator[Finding]:
    """Look for packages that do not work together.

    Args:
        installed: Versions by normalized name.
    """
    for pair in _BAD_PAIRS:
        if pair.one != PLUGIN and _is_met(pair, installed):
            yield Finding(
                name=f"{pair.one} + {pair.other}",
                state=State.FAILURE,
                found=f"{pair.one} {installed[pair.one]} with {pair.other} "
                f"{installed[pair.other]}: {pair.harm}",
                fix=pair.fix,
            )


def check_requirements(installed: Mapping[str, str]) -> Iterator[Finding]:
    """Look whether what our packages themselves ask for is what is installed, as `pip check` does.

    Args:
        installed: Versions by normalized name.
    """
    unmet = []
    for package in (_OURS, *_NEEDED):
        try:
            asked = metadata.requires(package) or []
        except metadata.PackageNotFoundError:
            continue
        unmet += [f"{package} asks for {text}" for text in asked if _is_unmet(text, installed)]
    if unmet:
        yield Finding(
            name="requirements",
            state=State.WARNING,
            found=f"{len(unmet)} not met: {unmet[0]}",
            fix=f"pip install --upgrade {_OURS}",
            details=tuple(unmet[1:]),
        )


def _is_unmet(text: str, installed: Mapping[str, str]) -> bool:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        return False
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
        return False
    version = installed.get(requirement.name.lower().replace("_", "-").replace(".", "-"))
    return version is None or not _is_in(version, requirement.specifier)


def _is_met(pair: _BadPair, installed: Mapping[str, str]) -> bool:
    one, other = installed.get(pair.one), installed.get(pair.other)
    if one is None or other is None:
        return False
    return _is_in(one, pair.one_versions) and _is_in(other, pair.other_versions)


def _is_in(version: str, specifiers: SpecifierSet) -> bool:
    try:
        return specifiers.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False

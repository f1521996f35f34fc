"""What must be added to an environment so that the job can log to the workspace.

`azureml-mlflow` is the plugin by which MLflow understands the `azureml://` tracking URI that the
service sets in every job. It has to join the MLflow that the project asks for, and never replace
it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from mlflow_azureml_backend.errors import EnvironmentSpecError
from mlflow_azureml_backend.translate.local_packages import local_paths
from mlflow_azureml_backend.translate.plugin_releases import PLUGIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from packaging.specifiers import Specifier

    from mlflow_azureml_backend.translate.plugin_releases import PluginRelease, PluginReleases

# Before 2.15 mlflow did not depend on mlflow-skinny: the plugin's dependency would then install a
# newer mlflow-skinny over the same `mlflow/` folder.
_FIRST_ON_SKINNY = Version("2.15.0")

# Before 2.16 mlflow imported pkg_resources without asking for setuptools, which has dropped it.
_FIRST_WITHOUT_PKG_RESOURCES = Version("2.16.0")
_WITH_PKG_RESOURCES = "setuptools<81"

_MLFLOW_PACKAGES = ("mlflow", "mlflow-skinny")
_STORAGE = "azure-storage-blob"
_MINORS = range(6, 20)
_PATCHES = range(40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """Say what joins an environment.

    Args:
        requirements: pip requirements to add.
        bounds: packages the environment names, as pip requirements with a newest version: a
            solver that does not know of the plugin's bounds must be told.
        at_start: the plugin to install without its dependencies when the job starts; None where it
            is among the requirements, or there already.
        replaces_plugin: whether the plugin that the environment names gives way to this one.
    """

    requirements: tuple[str, ...] = ()
    bounds: tuple[str, ...] = ()
    at_start: PluginRelease | None = None
    replaces_plugin: bool = False


def plan_injection(
    requirements: Sequence[str], *, client_mlflow: str, releases: PluginReleases
) -> Injection:
    """Choose the plugin that works with the MLflow and the Python of an environment.

    Args:
        requirements: What the environment asks for, `python` included, as pip requirement lines.
        client_mlflow: Version of MLflow on this machine, for a project that names no MLflow.
        releases: The releases of the plugin.

    Raises:
        EnvironmentSpecError: The project pins what no release of the plugin can join.
    """
    wanted = _by_name(requirements)
    mlflow = [name for name in _MLFLOW_PACKAGES if name in wanted]
    usable = _usable(wanted.get("python"), releases)
    if PLUGIN in wanted:
        _check_named(wanted, mlflow, releases)
        usable = [release for release in usable if release.version in wanted[PLUGIN]]
        if not mlflow or not usable or not _leaves_a_choice(wanted[PLUGIN]):
            return Injection()
        # Left the choice, pip takes the release that declares no bound at all, and fails.
        chosen = _choose(requirements, wanted, mlflow, usable, releases)
        return replace(chosen, replaces_plugin=True)
    # pip then asks for the hashes of all, also of what is added: that must not be in the same list.
    hashed = any("--hash" in line for line in requirements)
    if not mlflow and hashed:
        return Injection(at_start=usable[0])
    if not mlflow:
        # What a package of the project itself asks for is not known here: pip finds what suits all.
        client = None if local_paths(requirements) else client_mlflow
        return Injection(requirements=_with_mlflow(client, usable[0], releases, wanted))
    return _choose(requirements, wanted, mlflow, usable, releases)


def names_plugin(line: str) -> bool:
    """Tell whether a requirement line names the plugin."""
    return PLUGIN in _by_name([line])


def _choose(
    requirements: Sequence[str],
    wanted: Mapping[str, SpecifierSet],
    mlflow: Sequence[str],
    usable: Sequence[PluginRelease],
    releases: PluginReleases,
) -> Injection:
    """Choose among releases the newest that works with the MLflow that is asked for."""
    hashed = any("--hash" in line for line in requirements)
    versions = _allowed(wanted, mlflow, releases)
    for release in usable:
        if not versions or any(_fits(version, release) for version in versions):
            _check_storage(wanted, release)
            if hashed:
                return Injection(at_start=release)
            return Injection(
                requirements=(*_companions(wanted), f"{PLUGIN}=={release.version}"),
                bounds=_bounds(mlflow, versions, release, releases),
            )
    # It asks for an MLflow that the newest plugin does not promise to work with, and does: only its
    # bound is in the way, so it is installed without looking at that.
    newest = usable[0]
    _check_storage(wanted, newest)
    beside = [text for text in newest.requirements if Requirement(text).name not in wanted]
    return Injection(requirements=() if hashed else tuple(beside), at_start=newest)


def _usable(python: SpecifierSet | None, releases: PluginReleases) -> list[PluginRelease]:
    """Give the releases that can be installed in a Python that is asked for, newest first."""
    asked = python if python is not None else SpecifierSet()
    versions = [
        version
        for version in (f"3.{minor}.{patch}" for minor in _MINORS for patch in _PATCHES)
        if version in asked
    ]
    found = [
        release
        for release in releases.releases
        if any(version in release.python for version in versions)
    ]
    if not found:
        raise EnvironmentSpecError(
            f"The environment asks for python{python}, and {PLUGIN}, by which a job logs to the "
            f"workspace, needs python{releases.releases[-1].python} (its newest release "
            f"{releases.releases[0].version}: python{releases.releases[0].python}). Ask for "
            "another Python in the project's environment."
        )
    return found


def _with_mlflow(
    client_mlflow: str | None,
    plugin: PluginRelease,
    releases: PluginReleases,
    wanted: Mapping[str, SpecifierSet],
) -> tuple[str, ...]:
    if client_mlflow is None:
        return ("mlflow", f"{PLUGIN}=={plugin.version}")
    fitting = max(version for version in releases.mlflow if _fits(version, plugin))
    version = min(Version(client_mlflow), fitting)
    pin = f"=={version}"
    beside = _companions({**wanted, "mlflow": SpecifierSet(pin)})
    return (f"mlflow{pin}", *beside, f"{PLUGIN}=={plugin.version}")


def _allowed(
    wanted: Mapping[str, SpecifierSet], mlflow: Iterable[str], releases: PluginReleases
) -> list[Version]:
    """Give the versions of MLflow that are asked for; one that is newer than the table too."""
    asked = SpecifierSet()
    for name in mlflow:
        asked &= wanted[name]
    found = [version for version in releases.mlflow if asked.contains(version, prereleases=True)]
    newer = [_version(part) for part in asked if part.operator in {"==", ">=", ">", "~="}]
    return found or newer


def _fits(version: Version, release: PluginRelease) -> bool:
    return release.mlflow.contains(version, prereleases=True)


def _bounds(
    mlflow: Iterable[str],
    versions: Iterable[Version],
    plugin: PluginRelease,
    releases: PluginReleases,
) -> tuple[str, ...]:
    if all(_fits(version, plugin) for version in versions):  # also when there are none
        return ()
    newest = max(version for version in releases.mlflow if _fits(version, plugin))
    return tuple(f"{name}<={newest}" for name in mlflow)


def _companions(wanted: Mapping[str, SpecifierSet]) -> list[str]:
    """Name what an old MLflow needs beside it and does not ask for."""
    name = "mlflow-skinny" if "mlflow-skinny" in wanted else "mlflow"
    mlflow = wanted[name]
    found = []
    if name == "mlflow" and _ends_before(_FIRST_ON_SKINNY, mlflow):
        found.append(f"mlflow-skinny{mlflow}")
    if "setuptools" not in wanted and _ends_before(_FIRST_WITHOUT_PKG_RESOURCES, mlflow):
        found.append(_WITH_PKG_RESOURCES)
    return found


def _ends_before(version: Version, asked: SpecifierSet) -> bool:
    return version not in asked and any(
        part.operator in {"<", "<=", "==", "~="} and _version(part) <= version for part in asked
    )


def _check_named(
    wanted: Mapping[str, SpecifierSet], mlflow: Sequence[str], releases: PluginReleases
) -> None:
    """Check a plugin that the project names itself."""
    named = [release for release in releases.releases if release.version in wanted[PLUGIN]]
    if not named or not mlflow:  # unknown to the table, or whatever MLflow fits
        return
    versions = _allowed(wanted, mlflow, releases)
    open_to_all = not wanted[PLUGIN]
    if (
        versions
        and not open_to_all
        and not any(_fits(version, each) for version in versions for each in named)
    ):
        asked = ", ".join(f"{name}{wanted[name]}" for name in mlflow)
        raise EnvironmentSpecError(
            f"The environment asks for {asked} and {PLUGIN}{wanted[PLUGIN]}, which do not work "
            f"together: {PLUGIN} {named[0].version} works with mlflow{named[0].mlflow}. Remove "
            f"{PLUGIN} from the environment to get the one that fits, or change the pins."
        )


def _leaves_a_choice(asked: SpecifierSet) -> bool:
    return not any(part.operator in {"==", "==="} and "*" not in part.version for part in asked)


def _check_storage(wanted: Mapping[str, SpecifierSet], plugin: PluginRelease) -> None:
    taken = plugin.requirement_for(_STORAGE)
    newest = SpecifierSet(",".join(str(part) for part in taken if part.operator in {"<", "<="}))
    for part in wanted.get(_STORAGE, SpecifierSet()):
        if part.operator in {"==", ">=", ">", "~="} and not newest.contains(_version(part)):
            raise EnvironmentSpecError(
                f"The environment asks for {_STORAGE}{part}, and {PLUGIN} {plugin.version}, by "
                f"which a job logs to the workspace, takes {_STORAGE}{taken}. Change that pin in "
                "the project's environment."
            )


def _by_name(lines: Sequence[str]) -> dict[str, SpecifierSet]:
    found: dict[str, SpecifierSet] = {}
    for line in lines:
        # `===` compares as text; the bound it means is that of `==`.
        text = line.split(" --hash", 1)[0].split(" #", 1)[0].replace("===", "==").strip()
        try:
            requirement = Requirement(text)
        except InvalidRequirement:  # an option, a path or a URL: pip's business
            continue
        found[canonicalize_name(requirement.name)] = requirement.specifier
    return found


def _version(part: Specifier) -> Version:
    return Version(part.version.removesuffix(".*"))

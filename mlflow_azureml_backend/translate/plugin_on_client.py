"""Whether MLflow on this machine understands the `azureml://` tracking URI of a workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from mlflow_azureml_backend.translate.plugin_releases import PLUGIN

if TYPE_CHECKING:
    from mlflow_azureml_backend.translate.plugin_releases import PluginRelease, PluginReleases

_FIRST_WITH_TRACKING_URI = Version("3.0.0")
_NAMED = 3


def what_plugin_lacks(
    installed: str | None, *, mlflow: str, python: str, releases: PluginReleases
) -> str | None:
    """Say what to install before an `azureml://` store can be used; None where nothing is lacking.

    Args:
        installed: Version of azureml-mlflow on this machine, or None.
        mlflow: Version of MLflow on this machine.
        python: Version of Python on this machine.
        releases: The table of releases.
    """
    version = Version(mlflow)
    if installed is not None and not _breaks(installed, version, releases):
        return None
    reason = (
        f"{PLUGIN} is not installed, by which MLflow understands azureml:// tracking URIs."
        if installed is None
        else f"{PLUGIN} {installed} fails with MLflow {mlflow} at every artifact."
    )
    usable = [release for release in releases.releases if python in release.python]
    if not usable:
        return f"{reason} No release of it can be installed in Python {python}."
    fitting = [each for each in usable if each.mlflow.contains(version, prereleases=True)]
    if fitting:
        names = ", ".join(str(release.version) for release in fitting[:_NAMED])
        return (
            f"{reason} Made for MLflow {mlflow}: {names}. "
            f"Install it with: pip install {_pin(fitting[0])}"
        )
    newest = usable[0]
    bound = max(each for each in releases.mlflow if each in newest.mlflow)
    beside = " ".join(f"'{text}'" for text in newest.requirements)
    return (
        f"{reason} No release was made for MLflow {mlflow}; the newest, {newest.version}, is for "
        f"MLflow up to {bound}. Install both with: pip install 'mlflow<={bound}' {_pin(newest)}\n"
        f"Or keep MLflow {mlflow}, which works for all that is known, past its bound: "
        f"pip install --no-deps {_pin(newest)} && pip install {beside}"
    )


def _breaks(installed: str, mlflow: Version, releases: PluginReleases) -> bool:
    """Tell whether an installed release, made for MLflow 2, meets MLflow 3."""
    if mlflow < _FIRST_WITH_TRACKING_URI:
        return False
    known = [each for each in releases.releases if each.version == Version(installed)]
    return any(not each.mlflow.contains(_FIRST_WITH_TRACKING_URI) for each in known)


def _pin(release: PluginRelease) -> str:
    return f"{PLUGIN}=={release.version}"

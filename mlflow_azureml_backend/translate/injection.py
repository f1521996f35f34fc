"""What must be added to an environment so that the job can log to the workspace.

`azureml-mlflow` is the plugin by which MLflow understands the `azureml://` tracking URI that the
service sets in every job.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from mlflow_azureml_backend.errors import EnvironmentSpecError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packaging.specifiers import Specifier, SpecifierSet

PLUGIN = "azureml-mlflow"
PLUGIN_VERSION = "1.62.0.post6"

# azureml-mlflow 1.62.0.post6 declares mlflow-skinny<=3.15.0, python>=3.8.
NEWEST_MLFLOW = Version("3.15.0")
OLDEST_PYTHON = Version("3.8")

# Before 2.15 mlflow did not depend on mlflow-skinny: the plugin's dependency would then install a
# newer mlflow-skinny over the same `mlflow/` folder.
_FIRST_ON_SKINNY = Version("2.15.0")

_MLFLOW_PACKAGES = ("mlflow", "mlflow-skinny")


def injected_requirements(requirements: Sequence[str], *, client_mlflow: str) -> list[str]:
    """List the pip requirements to add to an environment.

    Args:
        requirements: What the environment asks for, `python` included, as pip requirement lines.
        client_mlflow: Version of MLflow on this machine, for a project that names no MLflow.

    Raises:
        EnvironmentSpecError: The project pins a Python or an MLflow that the plugin cannot join.
    """
    wanted = _by_name(requirements)
    if PLUGIN in wanted:
        return []
    python = wanted.get("python")
    if python is not None and _is_older(python):
        raise EnvironmentSpecError(
            f"The environment asks for python{python}, and {PLUGIN} {PLUGIN_VERSION}, by which a "
            f"job logs to the workspace, needs {OLDEST_PYTHON} or newer. Raise it, or name "
            f"{PLUGIN} in the environment yourself."
        )
    named = [name for name in _MLFLOW_PACKAGES if name in wanted]
    for name in named:
        _check_reachable(name, wanted[name])
    plugin = f"{PLUGIN}=={PLUGIN_VERSION}"
    if not named:
        newest = min(Version(client_mlflow), NEWEST_MLFLOW)
        beside = [f"mlflow-skinny=={newest}"] if newest < _FIRST_ON_SKINNY else []
        return [f"mlflow=={newest}", *beside, plugin]
    if "mlflow-skinny" not in wanted and _ends_before_skinny(wanted["mlflow"]):
        return [f"mlflow-skinny{wanted['mlflow']}", plugin]
    return [plugin]


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


def _is_older(python: SpecifierSet) -> bool:
    """Tell whether no Python that the plugin needs is asked for."""
    for part in python:
        release = _version(part).release[: -1 if part.operator == "~=" else None]
        if part.operator == "<" and release <= OLDEST_PYTHON.release:
            return True
        # `3` or `3.*` say less than `3.8` does: compare what is said.
        prefix = part.operator in {"==", "<=", "~="}
        if prefix and release < OLDEST_PYTHON.release[: len(release)]:
            return True
    return False


def _ends_before_skinny(mlflow: SpecifierSet) -> bool:
    """Tell whether every MLflow asked for is one that does not depend on mlflow-skinny."""
    return not mlflow.contains(_FIRST_ON_SKINNY) and any(
        part.operator in {"<", "<=", "==", "~="} and _version(part) <= _FIRST_ON_SKINNY
        for part in mlflow
    )


def _check_reachable(name: str, specifier: SpecifierSet) -> None:
    for part in specifier:
        version = _version(part)
        beyond = version > NEWEST_MLFLOW or (part.operator == ">" and version == NEWEST_MLFLOW)
        if part.operator in {"==", ">=", ">", "~="} and beyond:
            raise EnvironmentSpecError(
                f"The environment asks for {name}{part}, and {PLUGIN} {PLUGIN_VERSION}, by which a "
                f"job logs to the workspace, works with mlflow up to {NEWEST_MLFLOW}. Pin "
                f"{name}<={NEWEST_MLFLOW} in the project's environment."
            )


def _version(part: Specifier) -> Version:
    return Version(part.version.removesuffix(".*"))

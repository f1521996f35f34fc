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

    from packaging.specifiers import SpecifierSet

PLUGIN = "azureml-mlflow"
PLUGIN_VERSION = "1.62.0.post6"

# azureml-mlflow 1.62.0.post6 declares mlflow-skinny<=3.15.0, python>=3.8.
NEWEST_MLFLOW = Version("3.15.0")
OLDEST_PYTHON = Version("3.8")

# Before 2.15 mlflow did not depend on mlflow-skinny: the plugin's dependency would then install a
# newer mlflow-skinny over the same `mlflow/` folder.
_FIRST_ON_SKINNY = Version("2.15.0")

_MLFLOW_PACKAGES = ("mlflow", "mlflow-skinny")


def injected_requirements(
    requirements: Sequence[str], *, python: str | None, client_mlflow: str
) -> list[str]:
    """List the pip requirements to add to an environment.

    Args:
        requirements: What the environment already asks for, as pip requirement lines.
        python: The environment's Python version, or None when it names none.
        client_mlflow: Version of MLflow on this machine, for a project that names no MLflow.

    Raises:
        EnvironmentSpecError: The project pins a Python or an MLflow that the plugin cannot join.
    """
    wanted = _by_name(requirements)
    if PLUGIN in wanted:
        return []
    if python and _is_older(python):
        raise EnvironmentSpecError(
            f"The environment's Python is {python}, and {PLUGIN} {PLUGIN_VERSION} needs "
            f"{OLDEST_PYTHON} or newer. Raise it, or name {PLUGIN} in the environment yourself."
        )
    named = [wanted[name] for name in _MLFLOW_PACKAGES if name in wanted]
    if not named:
        newest = min(Version(client_mlflow), NEWEST_MLFLOW)
        return [f"mlflow=={newest}", *_beside(newest), f"{PLUGIN}=={PLUGIN_VERSION}"]
    for specifier in named:
        _check_reachable(specifier)
    added = [f"{PLUGIN}=={PLUGIN_VERSION}"]
    mlflow = wanted.get("mlflow")
    if mlflow is not None and "mlflow-skinny" not in wanted and not mlflow.contains(NEWEST_MLFLOW):
        pin = _exact(mlflow)
        if pin is not None:
            added = [*_beside(pin), *added]
        elif not mlflow.contains(_FIRST_ON_SKINNY) and _only_below(mlflow, _FIRST_ON_SKINNY):
            added = [f"mlflow-skinny{mlflow}", *added]
    return added


def _by_name(lines: Sequence[str]) -> dict[str, SpecifierSet]:
    found: dict[str, SpecifierSet] = {}
    for line in lines:
        try:
            requirement = Requirement(line.split(" --hash", 1)[0].split(" #", 1)[0].strip())
        except InvalidRequirement:  # an option, a path or a URL: pip's business
            continue
        found[canonicalize_name(requirement.name)] = requirement.specifier
    return found


def _is_older(python: str) -> bool:
    digits = python.split(".")
    return Version(".".join(digits[:2])) < OLDEST_PYTHON if len(digits) > 1 else False


def _beside(mlflow: Version) -> list[str]:
    return [f"mlflow-skinny=={mlflow}"] if mlflow < _FIRST_ON_SKINNY else []


def _exact(specifier: SpecifierSet) -> Version | None:
    for part in specifier:
        if part.operator in {"==", "==="} and not part.version.endswith(".*"):
            return Version(part.version)
    return None


def _only_below(specifier: SpecifierSet, bound: Version) -> bool:
    return any(
        part.operator in {"<", "<=", "=="} and Version(part.version.removesuffix(".*")) <= bound
        for part in specifier
    )


def _check_reachable(specifier: SpecifierSet) -> None:
    for part in specifier:
        version = Version(part.version.removesuffix(".*"))
        beyond = version > NEWEST_MLFLOW or (part.operator == ">" and version == NEWEST_MLFLOW)
        if part.operator in {"==", "===", ">=", ">", "~="} and beyond:
            raise EnvironmentSpecError(
                f"The environment asks for mlflow{part}, and {PLUGIN} {PLUGIN_VERSION}, by which a "
                f"job logs to the workspace, works with mlflow up to {NEWEST_MLFLOW}. Pin "
                f"mlflow<={NEWEST_MLFLOW} in the project's environment."
            )

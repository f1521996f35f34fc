"""Which project backend MLflow takes for a name, where several packages offer one."""

from __future__ import annotations

from importlib import metadata

_GROUP = "mlflow.project_backend"


def chosen_backend(name: str) -> str | None:
    """Choose as `mlflow run --backend NAME` does; give the module of what was chosen, or None.

    Args:
        name: The backend's name.
    """
    from mlflow.projects.backend import loader

    backend = loader.load_backend(name)
    return None if backend is None else type(backend).__module__


def offered_backends(name: str) -> list[str]:
    """Give the installed packages that offer a backend of this name, sorted.

    Args:
        name: The backend's name.
    """
    return sorted(
        {
            distribution.metadata["Name"]
            for distribution in metadata.distributions()
            for entry in distribution.entry_points
            if entry.group == _GROUP and entry.name == name
        }
    )

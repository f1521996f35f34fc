"""What the emulator's extra brings: packages that only who runs an emulator needs."""

from __future__ import annotations

import importlib.util
from typing import Final

# One module of each package that the extra adds; looked for, not imported.
_MODULES: Final = (
    "a2wsgi",
    "certifi",
    "cryptography",
    "httptools",
    "jwt",
    "starlette",
    "uv",
    "uvicorn",
)


def what_is_missing() -> str | None:
    """Say, in one line, which packages have to be installed first; None when all are there."""
    missing = [name for name in _MODULES if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    return (
        f"The emulator needs packages that are not installed ({', '.join(missing)}): "
        "pip install 'mlflow-azureml-backend[emulator]'"
    )

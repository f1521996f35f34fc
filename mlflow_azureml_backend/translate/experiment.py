"""The names that Azure ML has for experiments."""

from __future__ import annotations

import re

LONGEST = 256
_UNFIT = re.compile(r"[^\w .-]+", re.ASCII)


def fitting_experiment(name: str) -> str:
    """Give an experiment's name as Azure ML takes it: Databricks names experiments by paths.

    Args:
        name: The name of an experiment in any MLflow store.
    """
    return _UNFIT.sub("-", name).strip("- ")[:LONGEST].rstrip() or "Default"

"""What a step of a pipeline runs with: its own keys over those of the whole config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_azureml_backend.config.job_file import MERGED
from mlflow_azureml_backend.config.reader import read_section

if TYPE_CHECKING:
    from mlflow_azureml_backend.config.schema import BackendConfig

# What belongs to the run or to one step alone, and is handed on to none.
_NOT_INHERITED = ("steps", "inputs", "outputs", "display_name")
_OF_THE_CALL = ("entry_point", "parameters")


def step_configs(config: BackendConfig) -> dict[str, BackendConfig]:
    """Give the config of each step as if it were a run of its own; nothing without steps.

    A key of the step goes before the config's. Where both have several entries under one key, such
    as variables or resources, they are laid together entry by entry.

    Args:
        config: The backend config.

    Raises:
        ConfigError: The two together are not as the schema says.
    """
    whole = config.model_dump(exclude_unset=True, exclude=set(_NOT_INHERITED))
    found = {}
    for name, step in (config.steps or {}).items():
        own = step.model_dump(exclude_unset=True, exclude=set(_OF_THE_CALL))
        merged = {**whole, **own}
        for key in MERGED:
            if isinstance(whole.get(key), dict) and isinstance(own.get(key), dict):
                merged[key] = {**whole[key], **own[key]}
        if "environment" in own:
            merged.pop("image", None)  # which is about the project's environment
        found[name] = read_section(merged, where=f"Backend config: steps.{name}")
    return found

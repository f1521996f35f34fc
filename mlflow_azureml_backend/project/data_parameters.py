"""What a backend config makes of an entry point's parameters: inputs and outputs of the job."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING

from mlflow_azureml_backend.config.data_schema import InputConfig
from mlflow_azureml_backend.errors import ConfigError

if TYPE_CHECKING:
    from mlflow_azureml_backend.config import BackendConfig
    from mlflow_azureml_backend.project.spec import EntryPoint, Parameter

_NUMBERS = ("float", "int")
_TYPES = ("string", "path", "uri", *_NUMBERS)
_BOUND = ("input", "output")


def with_data_parameters(entry_point: EntryPoint, config: BackendConfig) -> EntryPoint:
    """Mark the parameters that the config makes inputs or outputs of the job.

    What the config says of a parameter is its default; it needs no other.

    Args:
        entry_point: As the MLproject declares it.
        config: Its `inputs` and `outputs`.

    Raises:
        ConfigError: A parameter cannot be what the config says.
    """
    parameters = tuple(_marked(parameter, config) for parameter in entry_point.parameters)
    return replace(entry_point, parameters=parameters)


def unknown_types(entry_point: EntryPoint) -> tuple[str, ...]:
    """Warn of each parameter whose type MLflow does not know either, and takes as a string."""
    return tuple(
        f"MLproject: parameter '{parameter.name}' has the unknown type '{parameter.type}' and is "
        f"taken as a string.{_hint(parameter.type)}"
        for parameter in entry_point.parameters
        if parameter.type not in (*_TYPES, *_BOUND)
    )


def _hint(kind: str) -> str:
    near = difflib.get_close_matches(kind.lower(), _TYPES, n=1, cutoff=0.5)
    return f" Did you mean '{near[0]}'?" if near else f" Known: {', '.join(_TYPES)}."


def _marked(parameter: Parameter, config: BackendConfig) -> Parameter:
    given = config.inputs.get(parameter.name)
    if parameter.name in config.outputs:
        if given is not None:
            raise ConfigError(
                f"Backend config: '{parameter.name}' is a parameter and cannot be both an input "
                "and an output; leave it in one of inputs and outputs."
            )
        _check_no_number(parameter, "outputs")
        # A default is the place where the project writes without Azure ML.
        return replace(parameter, type="output", default="")
    if isinstance(given, InputConfig):
        _check_no_number(parameter, "inputs")
        return replace(parameter, type="input", default=given.path or parameter.default)
    return parameter if given is None else replace(parameter, default=given)


def _check_no_number(parameter: Parameter, key: str) -> None:
    if parameter.type in _NUMBERS:
        raise ConfigError(
            f"Backend config: {key}.{parameter.name}: the entry point's parameter "
            f"'{parameter.name}' is a number (its type is {parameter.type}), not data."
        )

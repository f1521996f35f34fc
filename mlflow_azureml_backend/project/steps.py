"""The steps of a pipeline: which entry point each runs, with which values, and what it reads."""

from __future__ import annotations

from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow_azureml_backend.config import BackendConfig
from mlflow_azureml_backend.config.data_schema import InputConfig
from mlflow_azureml_backend.config.reader import config_message
from mlflow_azureml_backend.data_spec import Binding
from mlflow_azureml_backend.errors import ConfigError, ProjectError
from mlflow_azureml_backend.project.data_parameters import unknown_types, with_data_parameters
from mlflow_azureml_backend.project.local_data import find_local_data
from mlflow_azureml_backend.project.step_values import StepValues, UnboundError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mlflow_azureml_backend.config.steps_schema import StepConfig
    from mlflow_azureml_backend.project.spec import EntryPoint, Parameter, ProjectSpec

_NUMBERS = ("float", "int")
# What names data, and may therefore be written as `STEP.OUTPUT`.
_DATA = ("path", "uri", "input")


def with_steps(
    run: ProjectSpec,
    config: BackendConfig,
    entry_points: Callable[[str], EntryPoint],
    working_directory: Path,
) -> ProjectSpec:
    """Give the project with its steps, each as a project of its own.

    Args:
        run: The entry point whose parameters are the run's, and the user's values.
        config: Its `steps`.
        entry_points: Gives an entry point of the project, or raises a ProjectError.
        working_directory: The user's.

    Raises:
        ConfigError: A step's entry point, parameter or binding is not there, or the steps wait for
            each other; names every problem.
    """
    values = StepValues(run, config)
    problems: list[str] = []
    steps: dict[str, ProjectSpec] = {}
    for name, step in (config.steps or {}).items():
        where = f"steps.{name}"
        try:
            entry_point = entry_points(step.entry_point or name)
        except ProjectError as error:
            problems.append(f"{where}.entry_point: {_without_stop(error)}")
            continue
        reader = _Step(where, step, config, values)
        try:
            steps[name] = reader.read(run, entry_point, working_directory)
        except (ConfigError, ProjectError) as error:
            problems.append(f"{where}: {_without_stop(error)}")
        problems += reader.problems
    unused = values.unused()
    problems += [
        f"-P {name}: entry point '{run.entry_point.name}' declares no such parameter, and no step "
        f"takes '{{{name}}}'"
        for name in unused
        if name in run.parameters and name not in values.declared
    ]
    problems += _cycle(steps)
    if problems:
        raise ConfigError(config_message(problems))
    warnings = tuple(
        f"parameter '{name}' of entry point '{run.entry_point.name}' is used by no step"
        for name in unused
    )
    unknown = dict.fromkeys(
        text for step in steps.values() for text in unknown_types(step.entry_point)
    )
    return replace(
        run, steps=MappingProxyType(steps), warnings=(*run.warnings, *warnings, *unknown)
    )


class _Step:
    def __init__(
        self, where: str, step: StepConfig, config: BackendConfig, values: StepValues
    ) -> None:
        self.problems: list[str] = []
        self._where = where
        self._step = step
        self._values = values
        self._bindings: dict[str, Binding] = {}
        self._config = BackendConfig(
            inputs=self._inputs(),
            outputs=step.outputs,
            snapshot=config.snapshot,
            max_input_size=config.max_input_size,
        )

    def read(
        self, run: ProjectSpec, entry_point: EntryPoint, working_directory: Path
    ) -> ProjectSpec:
        entry = with_data_parameters(entry_point, self._config)
        declared = {parameter.name for parameter in entry.parameters}
        parameters = tuple(self._filled(parameter) for parameter in entry.parameters)
        extra = {
            name: text
            for name in self._step.parameters
            if name not in declared and (text := self._extra(name, entry.name)) is not None
        }
        missing = [
            parameter.name
            for parameter in parameters
            if parameter.default is None and parameter.name not in self._step.parameters
        ]
        if missing:
            self.problems.append(
                f"{self._where}.parameters: entry point '{entry.name}' needs a value for "
                f"{', '.join(missing)}"
            )
        entry = replace(entry, parameters=parameters)
        local_data = {}
        if not self.problems:
            local_data = find_local_data(
                entry,
                {},
                self._config,
                root=run.root,
                working_directory=working_directory,
                bound=self._bindings,
            )
        return replace(
            run,
            entry_point=entry,
            parameters=MappingProxyType(extra),
            local_data=MappingProxyType(local_data),
            bindings=MappingProxyType(self._bindings),
            warnings=(),
        )

    def _inputs(self) -> dict[str, InputConfig | str]:
        """Read the step's inputs, and write those that are bound as Azure ML does."""
        found: dict[str, InputConfig | str] = {}
        for name, given in self._step.inputs.items():
            text = given if isinstance(given, str) else given.path
            value = None if text is None else self._value(f"inputs.{name}", text, is_data=True)
            if isinstance(value, Binding):
                self._bindings[name] = value
                data = InputConfig() if isinstance(given, str) else given
                found[name] = data.model_copy(update={"path": value.expression})
            elif isinstance(given, str):
                found[name] = given if value is None else value
            else:
                found[name] = given.model_copy(update={"path": value})
        return found

    def _filled(self, parameter: Parameter) -> Parameter:
        """Give a parameter whose default is the value that the step has for it."""
        if parameter.name not in self._step.parameters:
            bound = self._bindings.get(parameter.name)
            return parameter if bound is None else replace(parameter, default=bound.expression)
        where = f"parameters.{parameter.name}"
        text = self._step.parameters[parameter.name]
        value = self._value(where, text, is_data=parameter.type in _DATA)
        self._bindings.pop(parameter.name, None)
        if not isinstance(value, Binding):
            return replace(parameter, default=parameter.default if value is None else value)
        if parameter.type in (*_NUMBERS, "output"):
            kind = "an output" if parameter.type == "output" else "a number"
            self.problems.append(f"{self._where}.{where}: the parameter is {kind}, not data")
        self._bindings[parameter.name] = value
        return replace(parameter, type="input", default=value.expression)

    def _extra(self, name: str, entry_point: str) -> str | None:
        value = self._value(f"parameters.{name}", self._step.parameters[name], is_data=False)
        if isinstance(value, Binding):
            self.problems.append(
                f"{self._where}.parameters.{name}: entry point '{entry_point}' declares no such "
                "parameter, which data could be given to"
            )
            return None
        return value

    def _value(self, where: str, text: str, *, is_data: bool) -> Binding | str | None:
        try:
            return self._values.read(text, is_data=is_data)
        except UnboundError as error:
            self.problems.append(f"{self._where}.{where}: {error}")
            return None


def _cycle(steps: dict[str, ProjectSpec]) -> list[str]:
    """Find steps that wait for each other."""
    before = {
        name: {binding.step for binding in step.bindings.values() if binding.step is not None}
        for name, step in steps.items()
    }
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        # Each reads of the one before it.
        return [f"steps: they wait for each other: {' -> '.join(error.args[1])}"]
    return []


def _without_stop(error: Exception) -> str:
    return str(error).removeprefix("Backend config: ").rstrip(".")

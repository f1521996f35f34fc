"""The job's inputs and outputs, and what stands for them in the command."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from mlflow_azureml_backend.config.data_schema import InputConfig, OutputConfig
from mlflow_azureml_backend.data_spec import InputSpec, OutputSpec
from mlflow_azureml_backend.data_uri import (
    AZUREML_FORMS,
    SCHEMES,
    Place,
    as_read_by_a_job,
    datastore_of,
    is_well_formed,
    likely_type,
    place_of,
)
from mlflow_azureml_backend.errors import ProjectError
from mlflow_azureml_backend.translate.command import shell_quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow_azureml_backend.config import BackendConfig
    from mlflow_azureml_backend.project import ProjectSpec

_EXPRESSION = "${{"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# The service puts a path into the command as it is: between quotes, these alone could end them.
_UNSAFE = re.compile(r"['\"`$\\\n\r]")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataBindings:
    """The data of one run.

    Args:
        inputs: The job's inputs by name.
        outputs: The job's outputs by name.
        arguments: What stands in the command for a placeholder, quoted already: for `data`,
            `inputs.data` or `outputs.model`.
    """

    inputs: Mapping[str, InputSpec]
    outputs: Mapping[str, OutputSpec]
    arguments: Mapping[str, str]


def bind_data(project: ProjectSpec, config: BackendConfig) -> DataBindings:
    """Make inputs and outputs of the parameters that name data, and of the config's own.

    Args:
        project: The entry point, the user's values and the data of this machine that they name.
        config: Its `inputs` and `outputs`.

    Raises:
        ProjectError: Data that a parameter or input names cannot be read by a job, or two of them
            get the same name; all such problems at once.
    """
    binder = _Binder(project, config)
    binder.bind()
    if binder.problems:
        raise ProjectError(" ".join(binder.problems))
    return DataBindings(
        inputs=MappingProxyType(binder.inputs),
        outputs=MappingProxyType(binder.outputs),
        arguments=MappingProxyType(binder.arguments),
    )


class _Binder:
    def __init__(self, project: ProjectSpec, config: BackendConfig) -> None:
        self.inputs: dict[str, InputSpec] = {}
        self.outputs: dict[str, OutputSpec] = {}
        self.arguments: dict[str, str] = {}
        self.problems: list[str] = []
        self._project = project
        self._config = config

    def bind(self) -> None:
        parameters = dict(self._parameters())
        for name, (kind, value) in parameters.items():
            if kind == "output":
                self._bind_output(name, value)
            elif kind in {"path", "input"}:
                self._bind_input(name, value)
        for name, given in self._config.inputs.items():
            if isinstance(given, str):
                self._bind_literal(name, parameters.get(name, ("", given))[1])
            elif name not in parameters:
                if given.path is None:
                    self._problem(
                        f"inputs.{name} of the backend config has no path, and the entry point has "
                        f"no parameter '{name}' to give one"
                    )
                else:
                    self._bind_input(name, given.path)
        for name in self._config.outputs:
            if name not in parameters:
                self._bind_output(name, "")

    def _parameters(self) -> Iterator[tuple[str, tuple[str, str]]]:
        values = self._project.parameters
        declared = self._project.entry_point.parameters
        for parameter in declared:
            yield (
                parameter.name,
                (
                    parameter.type,
                    values.get(parameter.name, parameter.default or ""),
                ),
            )
        for name in values:
            if any(parameter.name == name for parameter in declared):
                continue
            kind = "output" if name in self._config.outputs else "string"
            if isinstance(self._config.inputs.get(name), InputConfig):
                kind = "input"
            yield name, (kind, values[name])

    def _bind_literal(self, name: str, value: str) -> None:
        key = self._key(name, self.inputs)
        if _EXPRESSION in value:
            self._problem(f"inputs.{name}: Azure ML would read an expression in {value!r}")
        self.inputs[key] = InputSpec(value=value)
        # The service would put a literal into the command as it is: as code.
        self.arguments[f"inputs.{name}"] = self.arguments[f"inputs.{key}"] = shell_quote(value)

    def _bind_input(self, name: str, value: str) -> None:
        value = as_read_by_a_job(value)
        given = self._config.inputs.get(name)
        config = given if isinstance(given, InputConfig) else InputConfig()
        local = self._project.local_data.get(name)
        if local is not None and local.in_snapshot is not None:
            inside = local.in_snapshot
            # A file may be called like an option.
            path = shell_quote(f"./{inside}" if inside.startswith("-") else inside)
            self.arguments[name] = self.arguments[f"inputs.{name}"] = path
            return
        fetched = place_of(value) is Place.FETCHED
        known = local.type if local else None if fetched else likely_type(value)
        spec = InputSpec(
            type=config.type or known,
            path=str(local.path) if local else value,
            mode=config.mode,
        )
        if local is None:
            self._check_uri(name, value)
        unsafe = str(local.path.name) if local else value
        if _UNSAFE.search(unsafe):
            self._problem(
                f"'{name}': the name {unsafe!r} has a character that a shell reads (one of "
                "' \" ` $ \\ or a line break), and Azure ML would put it into the command as it "
                "is. Rename it"
            )
        key = self._key(name, self.inputs)
        self.inputs[key] = spec
        self._name_in_command(name, key, "inputs")

    def _check_uri(self, name: str, value: str) -> None:
        place = place_of(value)
        if place is Place.LOCAL:
            self._problem(f"'{name}' names data that does not exist: {value!r}")
        elif place is Place.UNKNOWN:
            self._problem(f"'{name}': {value!r} is of a kind that no job can read. {SCHEMES}")
        elif place is Place.AZURE_ML and not is_well_formed(value):
            self._problem(
                f"'{name}': {value!r} names nothing in Azure ML. Its forms are {AZUREML_FORMS}"
            )

    def _bind_output(self, name: str, value: str) -> None:
        config = self._config.outputs.get(name, OutputConfig())
        if value and datastore_of(value) is None:
            self._problem(
                f"'{name}' is an output by the backend config, and can only be given the URI of a "
                f"place in a datastore (azureml://datastores/NAME/paths/PATH), not {value!r}. "
                "Leave it out to write to a folder of the job's own"
            )
        if _UNSAFE.search(value):
            self._problem(f"'{name}': Azure ML would read more than a place in {value!r}")
        if config.path and place_of(config.path) is not Place.AZURE_ML:
            self._problem(
                f"outputs.{name}.path of the backend config: {config.path!r} is no place that a "
                "job can write to; give azureml://datastores/NAME/paths/PATH"
            )
        key = self._key(name, self.outputs)
        self.outputs[key] = OutputSpec(
            type=config.type,
            path=value or config.path,
            mode=config.mode,
            name=config.name,
            version=config.version,
        )
        self._name_in_command(name, key, "outputs")

    def _name_in_command(self, name: str, key: str, group: str) -> None:
        expression = f"'${{{{{group}.{key}}}}}'"
        for placeholder in (name, f"{group}.{name}", f"{group}.{key}"):
            self.arguments[placeholder] = expression

    def _key(self, name: str, taken: Mapping[str, object]) -> str:
        """Give a parameter's name as Azure ML takes one: letters, digits and underscores."""
        key = re.sub(r"[^A-Za-z0-9_]", "_", name)
        key = key if _NAME.fullmatch(key) else f"_{key}"
        if key in taken:
            self._problem(
                f"'{name}' and another name are both '{key}' to Azure ML, which takes letters, "
                "digits and underscores; rename one"
            )
        return key

    def _problem(self, text: str) -> None:
        self.problems.append(f"{text}.")

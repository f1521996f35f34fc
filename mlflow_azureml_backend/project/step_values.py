"""What the text of a step's parameter or input means: a value of the run, an output, or itself."""

from __future__ import annotations

import difflib
import re
from string import Formatter
from typing import TYPE_CHECKING

from mlflow_azureml_backend.config.data_schema import InputConfig
from mlflow_azureml_backend.data_spec import Binding, data_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlflow_azureml_backend.config import BackendConfig
    from mlflow_azureml_backend.project.spec import ProjectSpec

_EXPRESSION = "${{"
_OF_STEP = re.compile(r"\$\{\{\s*parent\.jobs\.([^.{}\s]+)\.outputs\.([^.{}\s]+)\s*\}\}")
_OF_RUN = re.compile(r"\$\{\{\s*parent\.inputs\.([^{}\s]+)\s*\}\}|\{([^{}]+)\}")
_SHORT = re.compile(r"([a-z_][a-z0-9_]*)\.([^./\\\s]+)")
_DATA = ("path", "input")
_BRACES = "Literal braces are written twice: {{ }}"


class UnboundError(Exception):
    """A text names what is not there; its message says what is."""


class StepValues:
    """Read the texts of steps.

    Only these texts, which the config says, are read: a value that they stand for is data, whatever
    it looks like.

    Args:
        run: The entry point whose parameters are the run's, and the user's values.
        config: Its `steps` and `inputs`.
    """

    def __init__(self, run: ProjectSpec, config: BackendConfig) -> None:
        self._run = run
        self._outputs = {name: step.outputs for name, step in (config.steps or {}).items()}
        self._used: set[str] = set()
        parameters = run.entry_point.parameters
        self.declared = [parameter.name for parameter in parameters]
        self._texts = {
            **{name: given for name, given in config.inputs.items() if isinstance(given, str)},
            **{parameter.name: parameter.default or "" for parameter in parameters},
            **run.parameters,
        }
        self._data = {
            *(parameter.name for parameter in parameters if parameter.type in _DATA),
            *(name for name, given in config.inputs.items() if isinstance(given, InputConfig)),
        }

    def unused(self) -> list[str]:
        """Give the run's parameters that no text has named."""
        names = dict.fromkeys([*self.declared, *self._run.parameters])
        return [name for name in names if name not in self._used]

    def read(self, text: str, *, is_data: bool) -> Binding | str:
        """Say what a text stands for.

        Args:
            text: As the config has it.
            is_data: Data is asked for: `STEP.OUTPUT` is an output then.

        Raises:
            UnboundError: It names a step, an output or a parameter that is not there.
        """
        if found := _OF_STEP.fullmatch(text):
            return self._of_step(found[1], found[2])
        short = _SHORT.fullmatch(text) if is_data else None
        if short and short[1] in self._outputs:
            return self._of_step(short[1], short[2])
        if found := _OF_RUN.fullmatch(text):
            return self._of_run(found[1] or found[2])
        if _EXPRESSION in text:
            raise UnboundError(
                f"{text!r} is no expression of a pipeline; there is "
                "${{parent.jobs.STEP.outputs.OUTPUT}} and ${{parent.inputs.NAME}}, each alone"
            )
        return self._filled(text)

    def _of_step(self, step: str, output: str) -> Binding:
        if step not in self._outputs:
            raise UnboundError(f"there is no step '{step}'.{_hint(step, self._outputs)}")
        names = {data_name(name) for name in self._outputs[step]}
        if data_name(output) not in names:
            raise UnboundError(
                f"step '{step}' has no output '{output}'.{_hint(output, names)} Outputs are "
                f"declared under steps.{step}.outputs"
            )
        return Binding(step=step, name=data_name(output))

    def _of_run(self, name: str) -> Binding | str:
        if name not in self._texts and name not in self._data:
            known = [*self._texts, *self._data]
            raise UnboundError(
                f"the run has no parameter '{name}': entry point '{self._run.entry_point.name}' "
                f"does not declare it.{_hint(name, dict.fromkeys(known))} {_BRACES}"
            )
        self._used.add(name)
        if name not in self._data:
            return self._texts[name]
        local = self._run.local_data.get(name)
        if local is not None and local.in_snapshot is not None:
            return local.in_snapshot
        return Binding(name=data_name(name))

    def _filled(self, text: str) -> str:
        """Put the run's values into a text, as a command's template is filled in."""
        parts = []
        try:
            fields = list(Formatter().parse(text))
        except ValueError as error:
            raise UnboundError(f"{text!r} cannot be filled in: {error}. {_BRACES}") from error
        for literal, field, spec, conversion in fields:
            parts.append(literal)
            if field is None:
                continue
            if spec or conversion:
                raise UnboundError(f"{text!r} cannot be filled in. {_BRACES}")
            value = self._of_run(field)
            if isinstance(value, Binding):
                raise UnboundError(
                    f"'{field}' is data, which can only be given alone: '{{{field}}}'"
                )
            parts.append(value)
        return "".join(parts)


def _hint(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f" Did you mean '{near[0]}'?"
    return f" Known: {', '.join(names)}." if names else ""

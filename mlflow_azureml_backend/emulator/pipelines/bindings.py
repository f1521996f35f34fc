"""The expressions of a pipeline: what the inputs and outputs of its steps are bound to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.field_checks import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXPRESSION: Final = re.compile(r"\$\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_PARENT_INPUT: Final = re.compile(r"\$\{\{\s*parent\.inputs\.([\w.-]+)\s*\}\}")
_KNOWN: Final = re.compile(
    r"parent\.inputs\.(?P<input>[\w.-]+)"
    r"|parent\.jobs\.(?P<step>[\w-]+)\.outputs\.(?P<port>[\w.-]+)"
    r"|parent\.outputs\.(?P<output>[\w.-]+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Name what a value is bound to: one of the three is given.

    Args:
        input: an input of the pipeline.
        output: an output of the pipeline.
        source: a step, and one of its outputs.
    """

    input: str | None = None
    output: str | None = None
    source: tuple[str, str] | None = None


def bindings_in(text: str) -> tuple[Binding, ...]:
    """Give everything that a text is bound to, in its order.

    Args:
        text: a value of a step's input or output.

    Raises:
        ServiceError: 400 for an expression that binds nothing.
    """
    found = []
    for expression in _EXPRESSION.findall(text):
        known = _KNOWN.fullmatch(expression)
        if known is None:
            raise invalid(
                f"Invalid expression {expression}. Only parent.inputs, "
                "parent.jobs.[source_job_name].outputs or parent.outputs can be used for binding.",
                "InvalidPipelineJob",
                "InvalidExpressionInJob",
            )
        source = (known["step"], known["port"]) if known["step"] else None
        found.append(Binding(input=known["input"], output=known["output"], source=source))
    return tuple(found)


def whole_binding(text: str) -> Binding | None:
    """Give what a text is bound to as a whole; None for one that is, or has, anything else.

    Args:
        text: a value of a step's input or output.

    Raises:
        ServiceError: 400 for an expression that binds nothing.
    """
    return bindings_in(text)[0] if _EXPRESSION.fullmatch(text.strip()) else None


def filled_text(text: str, literals: Mapping[str, str]) -> str:
    """Put the pipeline's own values into a text; what is put in is not looked at again.

    Args:
        text: a text that names inputs of the pipeline; names of others stay as they are.
        literals: their values.
    """
    return _PARENT_INPUT.sub(lambda found: literals.get(found[1], found[0]), text)

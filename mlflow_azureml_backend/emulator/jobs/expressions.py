"""The expressions of a command: `${{inputs.x}}` and the like, replaced by what they stand for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.jobs.failure import JobFailure

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXPRESSION: Final = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


def resolve(command: str, values: Mapping[str, str]) -> str:
    """Replace the expressions of a command, as Azure ML does: as they are, with no quoting.

    What is put in is not looked at again, so that a value cannot name another one.

    Args:
        command: the command.
        values: what each expression stands for, for example `inputs.data`.

    Raises:
        JobFailure: an expression that stands for nothing.
    """

    def replace(found: re.Match[str]) -> str:
        name = found[1].strip()
        if name not in values:
            known = ", ".join(sorted(values)) or "none"
            raise JobFailure(
                f"The command names '{found[0]}', which the job does not define. Defined: {known}."
            )
        return values[name]

    return _EXPRESSION.sub(replace, command)

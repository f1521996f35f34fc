"""The command line of a job, from an entry point's template and the user's values.

The result equals MLflow's own `EntryPoint.compute_command` on a POSIX client, with these deliberate
differences: quoting is POSIX whatever the client's operating system is, because the job runs on
Linux; a value can never become an Azure ML expression (`${{…}}`); a `float` or an `int` must be a
number; a value that needs quoting also arrives where the template has quotes around it; a
placeholder is a parameter's whole name, so that `{a.b}` never reaches into Python objects, or names
an input or output of the job.
"""

from __future__ import annotations

import re
import shlex
from string import Formatter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlflow_azureml_backend.errors import ProjectError
from mlflow_azureml_backend.job import EMPTY
from mlflow_azureml_backend.translate.quotes import quotes_around

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlflow_azureml_backend.project import EntryPoint, Parameter
    from mlflow_azureml_backend.translate.quotes import Quoted

# What the service and the SDK read as an expression: `${{`, and the single-brace spelling that
# azure-ai-ml rewrites to it in every command.
_EXPRESSIONS = re.compile(r"\$(?=\{\{)|\{(?=(?:inputs|outputs|search_space)\.)")

# What `shlex.quote` leaves as it is.
_PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)


class _Template(Formatter):
    """`str.format` whose placeholders are looked up by their whole text.

    Args:
        around: The quotes that each placeholder stands in, in order.
    """

    def __init__(self, around: Iterable[Quoted | None]) -> None:
        self._around = iter(around)

    def get_field(
        self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Any, str]:
        del args
        text, quoted = kwargs[field_name], next(self._around)
        if quoted is not None and quoted.is_argument and not _PLAIN.fullmatch(text):
            # What is quoted itself breaks out of the quotes around it: they end before, and begin
            # again after it.
            text = f"{quoted.mark}{text}{quoted.mark}"
        return text, field_name


def resolve_parameters(
    entry_point: EntryPoint, values: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Split the values into declared parameters (defaults filled in) and extra ones.

    Args:
        entry_point: Declares parameters; the loader has checked that none is missing.
        values: The user's values as text.

    Returns:
        Both; an output without a value is in neither.

    Raises:
        ProjectError: A `uri` parameter holds no URI, or a `float` or `int` no number.
    """
    declared = {
        parameter.name: _checked(parameter, values.get(parameter.name, parameter.default or ""))
        for parameter in entry_point.parameters
        if parameter.type != "output" or values.get(parameter.name)
    }
    return declared, {key: value for key, value in values.items() if key not in declared}


def render_command(
    entry_point: EntryPoint,
    values: Mapping[str, str],
    arguments: Mapping[str, str] = EMPTY,
    placeholders: Mapping[str, str] = EMPTY,
) -> str:
    """Fill the entry point's template and append extra parameters as `--key value`.

    Args:
        entry_point: Its command is a `str.format` template over the declared parameters.
        values: The user's values as text.
        arguments: What stands for parameters that are data, and for `inputs.NAME` and
            `outputs.NAME`, quoted already.
        placeholders: What stands, as it is, for parameters that are not declared here because
            they have no value yet (a sweep's).

    Raises:
        ProjectError: The template names a parameter that is not declared, or a value has the
            wrong type.
    """
    declared, extra = resolve_parameters(entry_point, values)
    known = {name: shell_quote(value) for name, value in declared.items()}
    names = {parameter.name for parameter in entry_point.parameters}
    known |= {
        name: text
        for name, text in arguments.items()
        if name in names or name.startswith(("inputs.", "outputs."))
    }
    try:
        template = _Template(quotes_around(entry_point.command))
        command = template.vformat(entry_point.command, (), {**known, **placeholders})
    except (KeyError, ValueError) as error:
        reason = (
            f"{{{error.args[0]}}} is not a declared parameter"
            if isinstance(error, KeyError)
            else f"{error}"
        )
        raise ProjectError(
            f"Entry point '{entry_point.name}': the command cannot be filled in: {reason}. "
            f"Declared: {', '.join(known) or 'none'}. Write literal braces twice: {{{{ }}}}."
        ) from error
    options = [
        f"--{shell_quote(key)} {arguments.get(key) or shell_quote(value)}"
        for key, value in extra.items()
    ]
    return " ".join([command, *options])


def shell_quote(text: str) -> str:
    """Quote a text for a POSIX shell so that neither shell nor Azure ML finds anything in it.

    An expression is broken by closing and reopening the quotes inside it: `'$''{{x}}'` is the
    argument `${{x}}` to a shell and no expression to Azure ML.
    """
    return _EXPRESSIONS.sub(r"\g<0>''", shlex.quote(text))


def _checked(parameter: Parameter, value: str) -> str:
    if parameter.type == "uri" and not _is_uri(value):
        raise ProjectError(f"Parameter '{parameter.name}' must be a URI, got {value!r}.")
    if parameter.type in _NUMBERS and not _NUMBERS[parameter.type](value):
        kind = "whole number" if parameter.type == "int" else "number"
        raise ProjectError(
            f"Parameter '{parameter.name}' must be a {kind} (its type is {parameter.type}), got "
            f"{value!r}."
        )
    return value


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _is_whole(value: str) -> bool:
    """Tell whether a text is a whole number, as `1e3` and `5.0` are to most programs."""
    return _is_number(value) and float(value).is_integer()


_NUMBERS = {"float": _is_number, "int": _is_whole}


def _is_uri(value: str) -> bool:
    """Tell what MLflow's own test tells (`mlflow.utils.data_utils.is_uri`)."""
    try:
        return bool(urlsplit(value).scheme)
    except ValueError:  # "Invalid IPv6 URL"
        return False

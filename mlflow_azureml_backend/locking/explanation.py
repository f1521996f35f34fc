"""A solver's own explanation, short enough to read."""

from __future__ import annotations

import textwrap

from mlflow_azureml_backend.locking.redaction import without_secrets

_LINES = 12
_COLUMNS = 110


def shortened(text: str) -> str:
    """Keep the first lines of an explanation, indented, without the secrets of URLs.

    Args:
        text: What the solver says.
    """
    lines = [
        part
        for line in without_secrets(text).splitlines()
        for part in textwrap.wrap(
            line, _COLUMNS, break_long_words=False, break_on_hyphens=False, subsequent_indent="  "
        )
    ]
    if len(lines) > _LINES:
        lines[_LINES - 1 :] = [f"… and {len(lines) - _LINES + 1} more lines"]
    return "\n".join(f"  {line}" for line in lines)

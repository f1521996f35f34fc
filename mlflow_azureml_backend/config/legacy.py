"""The keys of azureml-mlflow's own backend, and what they are called today."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRUTH = {"true": True, "false": False}
# Spelled in capitals there; today's keys of the same name are spelled in small letters.
_LEGACY = ("COMPUTE", "USE_CONDA", "STREAM_OUTPUT")
# A legacy config had no other way to say where to run. Today's keys that do, beside a legacy one,
# make it today's config.
_SAYS_WHERE = ("compute", "resources", "job_file", "sweep", "steps")


def legacy_keys(raw: Mapping[Any, Any]) -> list[str]:
    """Give the keys of a config that are legacy ones, as they are spelled there.

    Args:
        raw: The JSON object.
    """
    return [
        key for key in raw if isinstance(key, str) and key.upper() in _LEGACY and key != "compute"
    ]


def modernized(raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Spell a config in today's words.

    Args:
        raw: The JSON object, with legacy keys in any case, their values texts or booleans.

    Returns:
        The config without legacy keys, and one line for each of them.

    Raises:
        ConfigError: A legacy key has a value that it never had, or says something else than
            today's key beside it.
    """
    old = legacy_keys(raw)
    new = {key: value for key, value in raw.items() if key not in old}
    lines, problems = [], []
    for key in old:
        value = raw[key]
        if key.upper() == "COMPUTE":
            said = {"compute": value.strip() if isinstance(value, str) else value}
        elif (truth := _truth(value)) is None:
            problems.append(f"{key}: must be true or false, got {value!r}")
            continue
        elif key.upper() == "STREAM_OUTPUT":
            said = {"stream": truth}
        else:
            # It has had no effect since MLflow 1.25: the project's own environment was used anyway.
            lines.append(
                f"{key} says nothing today: the project's own environment is used; to leave it "
                "out, run with --env-manager local"
            )
            continue
        [(today, now)] = said.items()
        if today in new and new[today] != now:
            problems.append(f"{key} and {today} say two things: {value!r} and {new[today]!r}")
            continue
        new[today] = now
        lines.append(f"{key} is spelled {today} today: {json.dumps(said)}")
    if problems:
        raise ConfigError(f"Backend config: {'; '.join(problems)}.")
    if old and not any(key in new for key in _SAYS_WHERE):
        new["compute"] = "local"
        lines.append(
            'no COMPUTE meant this machine, which is {"compute": "local"} today; for a serverless '
            'job say {"compute": "serverless"}'
        )
    return new, lines


def _truth(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return _TRUTH.get(value.strip().lower()) if isinstance(value, str) else None

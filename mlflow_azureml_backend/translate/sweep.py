"""From the config's `sweep` and an entry point to a `SweepSpec`, or all that is wrong with it."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.sweep import NAMES_PROPERTY, Objective, SweepSpec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from mlflow_azureml_backend.config.sweep_schema import SweepConfig
    from mlflow_azureml_backend.project import EntryPoint, Parameter

# What a name in a search space may have; MLproject's names may have more, such as hyphens.
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# Which distributions each sampling can draw from; random sampling takes all of them.
_TAKEN = {"grid": ("choice",), "bayesian": ("choice", "uniform", "quniform")}

_WHOLE = ("randint",)


def plan_sweep(sweep: SweepConfig, entry_point: EntryPoint, values: Mapping[str, str]) -> SweepSpec:
    """Say what the service will vary.

    Args:
        sweep: The config's section.
        entry_point: Declares the parameters.
        values: The user's values, which must not hold any that is varied.

    Raises:
        ConfigError: The section does not fit the entry point, or contradicts itself; names every
            problem.
    """
    declared = {parameter.name: parameter for parameter in entry_point.parameters}
    space = {
        name: {key: value for key, value in found.model_dump().items() if value is not None}
        for name, found in sweep.search_space.items()
    }
    problems = [
        *_misfits(space, declared, entry_point.name, values),
        *_contradictions(sweep, space),
    ]
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        shown = problems[0] if len(problems) == 1 else f"{len(problems)} problems:{lines}"
        raise ConfigError(f"Backend config: {shown}")
    early = sweep.early_termination
    return SweepSpec(
        search_space=MappingProxyType(
            {wire_name(name): MappingProxyType(_as_texts(found)) for name, found in space.items()}
        ),
        parameters=MappingProxyType({wire_name(name): name for name in space}),
        sampling_algorithm=MappingProxyType(_sampling(sweep)),
        objective=Objective(
            goal=sweep.objective.goal, primary_metric=sweep.objective.primary_metric
        ),
        limits=MappingProxyType(sweep.limits.model_dump(exclude_none=True)),
        early_termination=(
            None if early is None else MappingProxyType(early.model_dump(exclude_none=True))
        ),
    )


def wire_name(name: str) -> str:
    """Give the name that a parameter has in the search space.

    Args:
        name: MLproject's name, for instance `batch-size`.
    """
    return _NOT_IN_NAMES.sub("_", name)


def placeholders(spec: SweepSpec) -> dict[str, str]:
    """Say what stands in the command for each parameter that is varied.

    The service replaces `${{search_space.x}}` by the value, without quotes. Where a choice holds
    something that a shell would read, the command reads the variable that each trial gets
    instead, because a value is data and never part of the command.

    Args:
        spec: The sweep.
    """
    return {
        parameter: f"${{{{search_space.{name}}}}}"
        if all(_is_plain(value) for value in spec.search_space[name].get("values", ()))
        else f'"$AZUREML_SWEEP_{name}"'
        for name, parameter in spec.parameters.items()
    }


def name_property(spec: SweepSpec) -> dict[str, str]:
    """Keep MLproject's names for whoever follows the job, where Azure ML needs others.

    Args:
        spec: The sweep.
    """
    changed = {wire: name for wire, name in spec.parameters.items() if wire != name}
    return {NAMES_PROPERTY: json.dumps(changed)} if changed else {}


def without_swept(entry_point: EntryPoint, names: Collection[str]) -> EntryPoint:
    """Leave out of an entry point the parameters that have no value before there are trials.

    Args:
        entry_point: The entry point.
        names: The parameters that are varied.
    """
    kept = tuple(found for found in entry_point.parameters if found.name not in names)
    return replace(entry_point, parameters=kept)


def _is_plain(value: Any) -> bool:
    return shlex.quote(str(value)) == str(value)


def _as_texts(distribution: Mapping[str, Any]) -> dict[str, Any]:
    """Spell truth values as the config's other values are, and freeze lists."""
    found = dict(distribution)
    if "values" in found:
        found["values"] = tuple(
            str(value).lower() if isinstance(value, bool) else value for value in found["values"]
        )
    return found


def _sampling(sweep: SweepConfig) -> dict[str, Any]:
    given = sweep.sampling_algorithm
    if not isinstance(given, str):
        return given.model_dump(exclude_none=True)
    return {"type": "random", "rule": "sobol"} if given == "sobol" else {"type": given}


def _misfits(
    space: Mapping[str, Mapping[str, Any]],
    declared: Mapping[str, Parameter],
    entry_point: str,
    values: Mapping[str, str],
) -> Iterator[str]:
    """Find what in the search space does not fit the parameters of the entry point."""
    for name, found in space.items():
        where = f"sweep.search_space.{name}"
        if name not in declared:
            allowed = ", ".join(declared) or "none"
            yield (
                f"{where}: entry point '{entry_point}' declares no such parameter. "
                f"Declared: {allowed}."
            )
            continue
        if name in values:
            yield f"{where}: the sweep chooses its value; leave out -P {name}={values[name]}."
        if _NAME.fullmatch(wire_name(name)) is None:
            yield f"{where}: a parameter in a search space must begin with a letter."
        twins = [other for other in space if other != name and wire_name(other) == wire_name(name)]
        if twins:
            yield (
                f"{where}: Azure ML would not tell it from '{twins[0]}': in a search space both "
                f"are called {wire_name(name)}. Rename one of them."
            )
        yield from _type_misfits(where, declared[name], found)


def _type_misfits(where: str, parameter: Parameter, found: Mapping[str, Any]) -> Iterator[str]:
    values = found.get("values")
    if parameter.type == "path":
        yield f"{where}: a parameter of type path cannot be varied; make it a string."
    elif parameter.type == "uri" and not all("://" in str(value) for value in values or [""]):
        yield f"{where}: its type is uri, so it needs a choice of URIs."
    elif parameter.type == "float" and not all(_is_number(value) for value in values or ()):
        yield f"{where}: its type is float, so every value must be a number."
    elif parameter.type == "int":
        numbers = values or [found[key] for key in ("min_value", "q") if key in found]
        rounded = values is not None or found["type"] in (*_WHOLE, "quniform")
        if not rounded or not all(_is_whole(number) for number in numbers):
            yield (
                f"{where}: its type is int, so it needs randint, a choice of whole numbers, or "
                "quniform with a whole min_value and q."
            )


def _contradictions(sweep: SweepConfig, space: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Find what in the section cannot be meant, or is refused by the service later."""
    algorithm = _sampling(sweep)["type"]
    for name, found in space.items():
        where = f"sweep.search_space.{name}"
        if found["type"] not in _TAKEN.get(algorithm, (found["type"],)):
            yield (
                f"{where}: {algorithm} sampling cannot draw from {found['type']}, only from "
                f"{', '.join(_TAKEN[algorithm])}."
            )
        if "min_value" in found and found["min_value"] >= found["max_value"]:
            yield f"{where}: min_value must be below max_value."
    limits, policy = sweep.limits, sweep.early_termination
    total, concurrent = limits.max_total_trials, limits.max_concurrent_trials
    if total is not None and concurrent is not None and concurrent > total:
        yield (
            f"sweep.limits: max_concurrent_trials ({concurrent}) must not be more than "
            f"max_total_trials ({total})."
        )
    if limits.timeout and limits.trial_timeout and limits.trial_timeout > limits.timeout:
        yield "sweep.limits: trial_timeout must not be more than timeout."
    if policy is not None and algorithm == "bayesian":
        yield "sweep.early_termination: bayesian sampling goes without; leave it out."
    if policy is not None and policy.type == "bandit":
        given = [policy.slack_factor, policy.slack_amount]
        if sum(value is not None for value in given) != 1:
            yield "sweep.early_termination: bandit needs either slack_factor or slack_amount."


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return re.fullmatch(r"[+-]?\d+", str(value)) is not None

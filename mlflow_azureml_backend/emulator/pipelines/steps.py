"""The steps of a pipeline, as they were submitted: checked, and in an order they can run in."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.field_checks import invalid
from mlflow_azureml_backend.emulator.pipelines.bindings import bindings_in, whole_binding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow_azureml_backend.emulator.errors import ServiceError
    from mlflow_azureml_backend.emulator.pipelines.bindings import Binding

LITERALS: Final = frozenset({"string", "number", "float", "integer", "boolean", "bool", "enum"})
"""The types of a component's inputs whose value is a text; all others are data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineStep:
    """Hold one step of a pipeline.

    Args:
        name: its name in the pipeline.
        sent: the step as the client sent it.
        component: the specification of its component.
    """

    name: str
    sent: Mapping[str, Any]
    component: Mapping[str, Any]

    @property
    def inputs(self) -> Mapping[str, Mapping[str, Any]]:
        """Give what the step says of its inputs, by their names."""
        return {name: value for name, value in (self.sent.get("inputs") or {}).items() if value}

    @property
    def outputs(self) -> Mapping[str, Mapping[str, Any]]:
        """Give what the step says of its outputs, by their names."""
        return {name: value for name, value in (self.sent.get("outputs") or {}).items() if value}

    @property
    def declared_inputs(self) -> Mapping[str, Mapping[str, Any]]:
        """Give the inputs of its component."""
        return self.component.get("inputs") or {}

    @property
    def declared_outputs(self) -> Mapping[str, Mapping[str, Any]]:
        """Give the outputs of its component."""
        return self.component.get("outputs") or {}

    @property
    def needs(self) -> tuple[str, ...]:
        """Name the steps whose outputs it reads."""
        sources = [binding.source for _, binding in self.bindings()]
        return tuple(dict.fromkeys(source[0] for source in sources if source))

    def bindings(self) -> Iterator[tuple[str, Binding]]:
        """Give what its inputs are bound to, with their names.

        Raises:
            ServiceError: 400 for an expression that binds nothing.
        """
        for name, value in self.inputs.items():
            for binding in bindings_in(str(value.get("value") or "")):
                yield name, binding


def ordered(pipeline: Mapping[str, Any], steps: Mapping[str, PipelineStep]) -> list[PipelineStep]:
    """Check what the steps of a pipeline are bound to, and put each behind those that it needs.

    Args:
        pipeline: the properties of the pipeline.
        steps: its steps, by their names.

    Raises:
        ServiceError: 400 for a binding to nothing, an input that is missing, and a cycle.
    """
    for step in steps.values():
        _check_inputs(pipeline, steps, step)
        _check_outputs(pipeline, step)
    sorter = TopologicalSorter({step.name: step.needs for step in steps.values()})
    try:
        return [steps[name] for name in sorter.static_order()]
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise _refused(f"The pipeline job has a cycle: {circle}.", "PipelineJobHasCycle") from None


def _check_inputs(
    pipeline: Mapping[str, Any], steps: Mapping[str, PipelineStep], step: PipelineStep
) -> None:
    for name, value in step.inputs.items():
        if name not in step.declared_inputs:
            raise _refused(
                f"Invalid component job since input {name} for component job {step.name} does not "
                "exist.",
                "InvalidComponentJobInput",
            )
        _check_uri(step, name, value)
    given = pipeline.get("inputs") or {}
    missing = set()
    for name, binding in step.bindings():
        if binding.source:
            _check_source(steps, binding.source)
        elif binding.input is None:
            raise _refused(
                f"Invalid expression parent.outputs.{binding.output} in input {name} of component "
                f"job {step.name}: an input cannot be bound to an output of the pipeline.",
                "InvalidExpressionInJob",
            )
        elif not given.get(binding.input):
            missing.add(name)
        _check_kind(step, name, is_data=_is_data(given, binding))
    _check_required(step, set(step.inputs) - missing)


def _check_required(step: PipelineStep, has: set[str]) -> None:
    for name, declared in step.declared_inputs.items():
        optional = str(declared.get("optional")).lower() == "true"
        if name not in has and not optional and declared.get("default") is None:
            raise _refused(
                f"Invalid component job since the required input {name} for component job "
                f"{step.name} has no value: bind it, or give one.",
                "InvalidComponentJobInput",
            )


def _check_uri(step: PipelineStep, name: str, value: Mapping[str, Any]) -> None:
    is_data = step.declared_inputs[name].get("type") not in LITERALS
    if is_data and not value.get("uri") and whole_binding(str(value.get("value") or "")) is None:
        raise _refused(
            f"Invalid component job since input {name} for component job {step.name} is data: "
            "give its uri, or bind it.",
            "InvalidComponentJobInput",
        )


def _check_source(steps: Mapping[str, PipelineStep], source: tuple[str, str]) -> None:
    name, port = source
    if name not in steps:
        raise _refused(
            f"Invalid binding expression since the source componentJob {name} does not exist.",
            "SourceComponentJobNotExist",
        )
    if port not in steps[name].declared_outputs:
        raise _refused(
            f"Invalid binding expression since the source output port {port} of componentJob "
            f"{name} does not exist.",
            "SourceComponentPortNotExsit",
        )


def _is_data(given: Mapping[str, Any], binding: Binding) -> bool | None:
    """Tell whether a binding leads to data; None when it leads nowhere."""
    if binding.source:
        return True
    source = given.get(binding.input or "")
    return source and source.get("jobInputType") != "literal"


def _check_kind(step: PipelineStep, name: str, *, is_data: bool | None) -> None:
    declared = step.declared_inputs[name].get("type")
    if is_data is not None and is_data is (declared in LITERALS):
        raise _refused(
            f"Invalid binding expression since input {name} of component job {step.name} is a "
            f"{declared}, and what it is bound to is {'data' if is_data else 'a literal'}.",
            "InvalidExpressionInJob",
        )


def _check_outputs(pipeline: Mapping[str, Any], step: PipelineStep) -> None:
    for name, value in step.outputs.items():
        if name not in step.declared_outputs:
            raise _refused(
                f"Invalid component job since output {name} for component job {step.name} does "
                "not exist.",
                "InvalidComponentJobOutput",
            )
        for binding in bindings_in(str(value.get("value") or "")):
            if binding.output is None or not (pipeline.get("outputs") or {}).get(binding.output):
                raise _refused(
                    f"Invalid binding expression since output {name} of component job {step.name} "
                    f"is bound to {value['value']}, which is no output of the pipeline.",
                    "InvalidExpressionInJob",
                )


def _refused(message: str, code: str) -> ServiceError:
    return invalid(message, "InvalidPipelineJob", code)

"""The backend config's `steps`: the nodes of a pipeline job, which are entry points."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool
from pydantic_core import PydanticCustomError

from mlflow_azureml_backend.config.data_schema import Inputs, Outputs
from mlflow_azureml_backend.config.environment_schema import EnvironmentConfig
from mlflow_azureml_backend.config.job_schema import (
    Distribution,
    Identity,
    LimitsConfig,
    QueueSettingsConfig,
    ResourcesConfig,
    Service,
)
from mlflow_azureml_backend.config.values import (
    OBJECT,
    TEXT,
    TEXT_OR_OBJECT,
    ScalarText,
    Section,
    Text,
)
from mlflow_azureml_backend.config.variables import Variable, VariableName

# What azure-ai-ml takes for the name of a node.
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,99}")


def _step_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise PydanticCustomError(
            "step_name",
            "must be a name of lower-case letters, digits and underscores that begins with no "
            "digit",
        )
    return value


def _not_local(value: str) -> str:
    if value.removeprefix("azureml:").lower() == "local":
        raise PydanticCustomError("compute_local", "must be a compute of the workspace")
    return value


class StepConfig(Section):
    """One step: an entry point, what it gets, and where it differs from the rest of the config."""

    entry_point: Text | None = Field(
        default=None, description="Entry point of the MLproject; default: the step's name."
    )
    parameters: dict[Text, ScalarText] = Field(
        default_factory=dict,
        description="Values of the entry point's parameters. '{NAME}' is the run's own parameter "
        "NAME; 'STEP.OUTPUT' or '${{parent.jobs.STEP.outputs.OUTPUT}}' is what another step wrote.",
        examples=[{"alpha": "{alpha}", "data": "prepare.data"}],
    )
    inputs: Inputs = Field(
        default_factory=dict,
        description="As the config's `inputs`; a text or a path may be 'STEP.OUTPUT'.",
    )
    outputs: Outputs = Field(
        default_factory=dict, description="What the step writes, as the config's `outputs`."
    )
    compute: Annotated[Text, AfterValidator(_not_local)] | None = Field(
        default=None, description="Name of the compute of this step."
    )
    environment: (
        Annotated[Annotated[EnvironmentConfig, OBJECT] | Annotated[Text, TEXT], TEXT_OR_OBJECT]
        | None
    ) = Field(default=None, description="Environment of this step, as the config's.")
    environment_variables: dict[VariableName, Variable] = Field(
        default_factory=dict, description="Variables of this step, beside those of the config."
    )
    resources: ResourcesConfig | None = Field(
        default=None, description="What the step's nodes are, and how many."
    )
    distribution: Distribution | None = Field(
        default=None, description="How the processes of the step find each other."
    )
    limits: LimitsConfig | None = Field(default=None, description="How long the step may run.")
    queue_settings: QueueSettingsConfig | None = Field(
        default=None, description="How the step queues."
    )
    identity: Identity | None = Field(
        default=None, description="Who the step is towards other services."
    )
    services: dict[Text, Service] | None = Field(
        default=None, description="What can be opened while the step runs."
    )
    is_deterministic: StrictBool | None = Field(
        default=None,
        description="true: Azure ML may use an earlier result for the same input again.",
    )


Steps = Annotated[
    dict[Annotated[Text, AfterValidator(_step_name)], StepConfig], Field(min_length=1)
]
"""The key `steps`: name -> step."""

"""`register_model` of the config: what becomes of the job's model."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from mlflow_azureml_backend.config.job_schema import Labels
from mlflow_azureml_backend.config.values import Section, Text
from mlflow_azureml_backend.model_spec import ModelSpec

# MLflow's URI of a model is `models:/NAME/VERSION`, and its filters know no way to write a quote.
_IN_NAMES = re.compile(r"[^/:'\"\\\x00-\x1f]{1,255}")
_ALIAS = re.compile(r"(?!latest$)(?!v\d+$)[\w-]{1,255}", re.IGNORECASE)
_LONGEST = 1000


def model_name(value: str) -> str:
    """Check the name of a registered model."""
    if not _IN_NAMES.fullmatch(value):
        raise PydanticCustomError("model_name", "must have no slash, colon, backslash or quote")
    return value


def model_alias(value: str) -> str:
    """Check an alias, as MLflow does."""
    if not _ALIAS.fullmatch(value):
        raise PydanticCustomError(
            "model_alias",
            "must be letters, digits, '-' and '_', and neither 'latest' nor like a version ('v1')",
        )
    return value


def model_path(value: str) -> str:
    """Check the path of a model in its run."""
    parts = value.strip("/").split("/")
    if value.startswith("/") or any(part in {"", ".", ".."} for part in parts):
        raise PydanticCustomError("model_path", "must be a path below the run's artifacts")
    return value.strip("/")


class RegisterModelConfig(Section):
    """Which model to register when the job has completed, and how."""

    name: Annotated[Text, AfterValidator(model_name)] = Field(description="The registered model.")
    path: Annotated[Text, AfterValidator(model_path)] = Field(
        default="model",
        description="Its folder in the run's artifacts, or the name of a logged model.",
    )
    tags: Labels = Field(default_factory=dict, description="Tags of the new version.")
    alias: Annotated[Text, AfterValidator(model_alias)] | None = Field(
        default=None, description="Alias that points to the new version."
    )
    registry: Literal["store", "workspace"] | None = Field(
        default=None,
        description="The registry of the MLflow store or of the workspace; default: of the store "
        "that the run is in.",
    )

    @model_validator(mode="after")
    def _fits_a_tag(self) -> RegisterModelConfig:
        if len(self.spec().as_text()) > _LONGEST:
            raise PydanticCustomError(
                "model_length", "is kept in a tag of the run, which has at most 1,000 characters"
            )
        return self

    def spec(self) -> ModelSpec:
        """Give what is to be registered."""
        return ModelSpec(**self.model_dump())

"""The backend config's `environment`, in the words of Azure ML's environment YAML."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from mlflow_azureml_backend.config.values import OBJECT, TEXT, TEXT_OR_OBJECT, Section, Text


class BuildConfig(Section):
    """A Docker build context, in the words of Azure ML's environment YAML."""

    path: Text = Field(description="Folder, relative to the project.")
    dockerfile_path: Text = Field(default="Dockerfile", description="Relative to that folder.")


class EnvironmentConfig(Section):
    """An environment said inline, in the words of Azure ML's environment YAML."""

    image: Text | None = Field(
        default=None, description="Container image, for instance of mcr.microsoft.com."
    )
    conda_file: (
        Annotated[Annotated[dict[str, Any], OBJECT] | Annotated[Text, TEXT], TEXT_OR_OBJECT] | None
    ) = Field(
        default=None, description="Conda file: a path relative to the project, or its content."
    )
    build: BuildConfig | None = Field(
        default=None, description="Docker build context that the service builds; without image."
    )

    @model_validator(mode="after")
    def _image_or_build(self) -> EnvironmentConfig:
        if (self.image is None) == (self.build is None):
            raise PydanticCustomError("image_or_build", "must have either image or build")
        if self.build is not None and self.conda_file is not None:
            raise PydanticCustomError(
                "image_or_build", "cannot have both build and conda_file: the Dockerfile installs"
            )
        return self

"""The backend config's schema: Azure ML's command job keys plus ours."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    StringConstraints,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from mlflow_azureml_backend.config.sweep_schema import SweepConfig  # noqa: TC001  # read at run time

Text = Annotated[StrictStr, StringConstraints(min_length=1)]


def _scalar_as_text(value: Any) -> Any:
    """Spell a YAML or JSON scalar as text, as `az ml` does for tags and variables."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    return value


ScalarText = Annotated[StrictStr, BeforeValidator(_scalar_as_text)]


def _form(value: Any) -> str:
    return "<object>" if isinstance(value, (dict, BaseModel)) else "<text>"


# A key that takes a text or an object: told apart by its form, so that a mistake inside the object
# is reported for the object alone. The two tags are part of an error's location (reader.py).
OBJECT, TEXT, TEXT_OR_OBJECT = Tag("<object>"), Tag("<text>"), Discriminator(_form)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WorkspaceConfig(_Section):
    """A workspace said inline, in the words of Azure ML's `config.json`."""

    subscription_id: Text
    resource_group: Text
    workspace_name: Text


class BuildConfig(_Section):
    """A Docker build context, in the words of Azure ML's environment YAML."""

    path: Text = Field(description="Folder, relative to the project.")
    dockerfile_path: Text = Field(default="Dockerfile", description="Relative to that folder.")


class EnvironmentConfig(_Section):
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


class ImageConfig(_Section):
    """How the image comes about in which the project's environment is built."""

    base: Text | None = Field(
        default=None,
        description="Image that the project's conda file is built on; default: Azure ML's own.",
    )
    gpu: StrictBool | None = Field(
        default=None,
        description="Whether the default base image has CUDA; default: when the environment "
        "names packages that need it.",
    )


class BackendConfig(_Section):
    """The `--backend-config` of one `mlflow run`.

    Keys that Azure ML's v2 command job YAML has are spelled and shaped as `az ml job create`
    takes them; the rest are this package's own.
    """

    workspace: (
        Annotated[Annotated[WorkspaceConfig, OBJECT] | Annotated[Text, TEXT], TEXT_OR_OBJECT] | None
    ) = Field(
        default=None,
        description=(
            "The workspace inline, a path to an Azure ML config.json, or 'emulator'. When absent: "
            "the azureml:// tracking URI, then AZUREML_*/AZURE_* variables, then a config.json "
            "found upward from the project."
        ),
    )
    compute: Text | None = Field(default=None, description="Name of the compute to run on.")
    environment: (
        Annotated[Annotated[EnvironmentConfig, OBJECT] | Annotated[Text, TEXT], TEXT_OR_OBJECT]
        | None
    ) = Field(
        default=None,
        description="Runs instead of the project's own environment: 'azureml:name:version', "
        "'azureml:name@latest', 'azureml://registries/…', the path of an environment's YAML file, "
        "or {image, conda_file, build}.",
    )
    image: (
        Annotated[Annotated[ImageConfig, OBJECT] | Annotated[Text, TEXT], TEXT_OR_OBJECT] | None
    ) = Field(
        default=None,
        description="Base image for the project's environment, or {base, gpu}.",
    )
    inject: Literal["environment", "command", "never"] | None = Field(
        default=None,
        description="How azureml-mlflow gets into the job: into its environment (default for the "
        "project's own), by the command when the job starts, or never (default for `environment`).",
    )
    environment_variables: dict[Text, ScalarText] = Field(
        default_factory=dict, description="Variables set in the job's process."
    )
    experiment_name: Text | None = Field(
        default=None,
        max_length=256,
        description="The job's experiment in the workspace; default: the MLflow experiment's name.",
    )
    display_name: Text | None = Field(default=None, description="Name shown in the studio.")
    description: Text | None = Field(default=None, description="Text shown in the studio.")
    tags: dict[Text, ScalarText] = Field(default_factory=dict, description="Tags of the job.")
    sweep: SweepConfig | None = Field(
        default=None, description="Vary parameters over many trials: a sweep job."
    )
    stream: StrictBool = Field(
        default=True,
        description="Follow the job and print its log; false returns right after submission.",
    )
    queue_timeout: Annotated[StrictInt, Field(gt=0)] | None = Field(
        default=None, description="Cancel the job when it has not started after so many seconds."
    )

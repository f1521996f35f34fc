"""The backend config's schema: Azure ML's command job keys plus ours."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StrictBool,
    StrictInt,
    model_validator,
)
from pydantic_core import PydanticCustomError

from mlflow_azureml_backend.config.data_schema import Inputs, Outputs, Size, SnapshotConfig
from mlflow_azureml_backend.config.environment_schema import EnvironmentConfig
from mlflow_azureml_backend.config.job_schema import (
    Distribution,
    Identity,
    Labels,
    LimitsConfig,
    QueueSettingsConfig,
    ResourcesConfig,
    Service,
)
from mlflow_azureml_backend.config.model_schema import RegisterModelConfig
from mlflow_azureml_backend.config.steps_schema import Steps
from mlflow_azureml_backend.config.sweep_schema import SweepConfig
from mlflow_azureml_backend.config.values import OBJECT, TEXT, TEXT_OR_OBJECT, Text
from mlflow_azureml_backend.config.values import Section as _Section
from mlflow_azureml_backend.config.variables import Variable, VariableName, is_secret


class WorkspaceConfig(_Section):
    """A workspace said inline, in the words of Azure ML's `config.json`."""

    subscription_id: Text
    resource_group: Text
    workspace_name: Text


_REPOSITORY = re.compile(r"[a-z0-9][a-z0-9.-]*(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+")


def _repository(value: str) -> str:
    if not _REPOSITORY.fullmatch(value):
        raise PydanticCustomError(
            "repository",
            "must be a registry and a repository in lower case, without a tag, such as "
            "'myregistry.azurecr.io/team/project'",
        )
    return value


class ImageConfig(_Section):
    """How the image comes about that the project's environment is, or is built on."""

    base: Text | None = Field(
        default=None,
        description="Image that the project's conda file is built on; default: Azure ML's own.",
    )
    gpu: StrictBool | None = Field(
        default=None,
        description="Whether the default base image has CUDA; default: when the environment "
        "names packages that need it.",
    )
    repository: Annotated[Text, AfterValidator(_repository)] | None = Field(
        default=None,
        description="Registry and repository that images of this machine are pushed to, without "
        "a tag. The job gets the image by its digest.",
    )
    build: StrictBool = Field(
        default=False,
        description="Build the project's Dockerfile with this machine's Docker Engine.",
    )
    push: StrictBool | None = Field(
        default=None,
        description="Push the image (default); false: the registry has to have it already.",
    )

    @model_validator(mode="after")
    def _goes_together(self) -> ImageConfig:
        if self.repository is None:
            for key, given in (("build", self.build), ("push", self.push is not None)):
                if given:
                    raise PydanticCustomError(
                        "image_repository",
                        "`{key}` needs `repository`, the registry that the job gets the image from",
                        {"key": key},
                    )
        elif self.base is not None or self.gpu is not None:
            raise PydanticCustomError(
                "image_repository",
                "cannot have `repository` and `base` or `gpu`: those are for an environment that "
                "Azure ML builds from a conda file",
            )
        return self


class LockConfig(_Section):
    """How the environment is locked."""

    platforms: list[Literal["linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64"]] = Field(
        default=["linux-64"],
        min_length=1,
        description="Conda platforms; the job gets the first one's packages.",
    )
    channels: list[Text] | None = Field(
        default=None,
        min_length=1,
        description="Conda channels; default: the environment file's.",
    )
    file: Text = Field(
        default="conda-lock.yml", description="The lock file, relative to the project."
    )
    check: StrictBool = Field(
        default=False, description="Fail when the lock does not fit, instead of making it anew."
    )


def _lock_forms(value: Any) -> Any:
    """Read the short forms of `lock`."""
    if isinstance(value, (dict, LockConfig)) or value is None:
        return value
    if isinstance(value, bool):
        return {} if value else None
    if value == "check":
        return {"check": True}
    raise PydanticCustomError("lock_form", "must be true, false, 'check' or an object")


def _compute(value: str) -> str:
    """Spell `local`, which may be in any case, as everything else asks for it."""
    return "local" if value.removeprefix("azureml:").strip().lower() == "local" else value


_NOT_WITH_STEPS = {
    "sweep": "a run is either a sweep or a pipeline",
    "outputs": "each output belongs to a step, under `steps.NAME.outputs`",
    "compute": "a pipeline runs in the workspace, and not on this machine",
    "register_model": "the models are the steps'; register one afterwards: mlflow-azureml register "
    "STEP --name NAME",
    "parent_job_name": "Azure ML takes no pipeline for a child of another job",
}


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
    compute: Annotated[Text, AfterValidator(_compute)] | None = Field(
        default=None,
        description="Name of the compute to run on: a cluster, an instance or an attached "
        "Kubernetes. Absent or 'serverless': Azure ML finds the nodes. 'local': this machine.",
        examples=["cpu-cluster", "serverless", "local"],
    )
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
        description="Base image for the project's environment, {base, gpu}, or {repository, build, "
        "push} for an image of this machine.",
    )
    inject: Literal["environment", "command", "never"] | None = Field(
        default=None,
        description="How azureml-mlflow gets into the job: into its environment (default for the "
        "project's own), by the command when the job starts, or never (default for `environment`).",
    )
    nested_runs: StrictBool | None = Field(
        default=None,
        description="Whether the entry point starts runs of this backend itself: its job then gets "
        "this package, and hands this config down. Default: whether its script says so.",
    )
    lock: Annotated[LockConfig | None, BeforeValidator(_lock_forms)] = Field(
        default=None,
        description="true: exact packages out of a lock file, made if it does not fit; 'check': "
        "fail if it does not fit; or {platforms, channels, file, check}.",
    )
    inputs: Inputs = Field(
        default_factory=dict,
        description="What the job reads, by name: a literal, or data {type, path, mode}. Under the "
        "name of a parameter it says how that parameter's data is read.",
    )
    outputs: Outputs = Field(
        default_factory=dict,
        description="What the job writes, by name: {type, path, mode, name, version}. Under the "
        "name of a parameter, that parameter is the place to write to.",
    )
    max_input_size: Size = Field(
        default=10_000_000_000,
        description="How much of one input this machine uploads or downloads at most; such as "
        "'10 GB', the default.",
    )
    snapshot: SnapshotConfig = Field(
        default=SnapshotConfig(), description="What of the project's folder is uploaded."
    )
    environment_variables: dict[VariableName, Variable] = Field(
        default_factory=dict,
        description="Variables set in the job's process. '${env:NAME}' in a value is this "
        "machine's; 'keyvault:NAME' or {value, secret: true} is read by the job from a Key Vault.",
        examples=[{"OMP_NUM_THREADS": 2, "API_KEY": "keyvault:api-key"}],
    )
    experiment_name: Text | None = Field(
        default=None,
        max_length=256,
        description="The job's experiment in the workspace; default: the MLflow experiment's name.",
    )
    display_name: Text | None = Field(default=None, description="Name shown in the studio.")
    description: Text | None = Field(default=None, description="Text shown in the studio.")
    tags: Labels = Field(
        default_factory=dict, description="Tags of the job.", examples=[{"team": "research"}]
    )
    properties: Labels = Field(
        default_factory=dict,
        description="Properties of the job; unlike tags they cannot be changed afterwards.",
    )
    resources: ResourcesConfig | None = Field(
        default=None, description="What the job's nodes are, and how many."
    )
    distribution: Distribution | None = Field(
        default=None,
        description="How the processes of a distributed job find each other.",
        examples=[{"type": "pytorch", "process_count_per_instance": 4}],
    )
    limits: LimitsConfig | None = Field(default=None, description="How long the job may run.")
    queue_settings: QueueSettingsConfig | None = Field(
        default=None,
        description="How the job queues.",
        examples=[{"job_tier": "spot", "priority": "low"}],
    )
    identity: Identity | None = Field(
        default=None,
        description="Who the job is towards other services; default: the compute's.",
        examples=[{"type": "user_identity"}],
    )
    services: dict[Text, Service] | None = Field(
        default=None,
        description="What can be opened while the job runs, each under a name.",
        examples=[{"lab": {"type": "jupyter_lab"}}],
    )
    parent_job_name: Text | None = Field(
        default=None, description="Name of the job that this one is a child of."
    )
    is_deterministic: StrictBool | None = Field(
        default=None,
        description="Whether the same input gives the same output; Azure ML looks at it in "
        "pipelines alone, where it uses results again.",
    )
    job_file: Text | None = Field(
        default=None,
        description="A command job's YAML file in the project to start from; the keys beside this "
        "one go first.",
        examples=["job.yml"],
    )
    dry_run: StrictBool = Field(
        default=False, description="Print the job as YAML instead of submitting it."
    )
    sweep: SweepConfig | None = Field(
        default=None, description="Vary parameters over many trials: a sweep job."
    )
    tracking: Literal["auto", "workspace", "shared", "mirror", "both"] = Field(
        default="auto",
        description="Where the run lives and the job logs: in the workspace; at the server of "
        "MLflow's tracking URI, shared with the job; in the store of that URI, mirrored from the "
        "workspace; or both. 'auto' decides by the URI and says so.",
    )
    steps: Steps | None = Field(
        default=None,
        description="Entry points to run as the steps of one pipeline job, by the step's name; "
        "what a step does not say, the rest of the config says.",
        examples=[{"prepare": {"outputs": {"data": {}}}, "train": {"inputs": {}}}],
    )
    mirror_artifacts: Literal["none", "small", "all"] = Field(
        default="small",
        description="Which artifacts of the job are copied to the MLflow run in your own store: "
        "those below 10 MB (default), all, or none; azureml/artifacts.json there lists the others "
        "with links.",
    )
    stream: StrictBool = Field(
        default=True,
        description="Follow the job and print its log; false returns right after submission.",
    )
    on_interrupt: Literal["cancel", "detach"] = Field(
        default="cancel",
        description="What Ctrl-C does while the job is followed: cancel it and wait for its end, "
        "as MLflow does, or leave it running.",
    )
    queue_timeout: Annotated[StrictInt, Field(gt=0)] | None = Field(
        default=None, description="Cancel the job when it has not started after so many seconds."
    )

    register_model: RegisterModelConfig | None = Field(
        default=None,
        description="Register the job's model when it has completed: {name, path, tags, alias, "
        "registry}.",
        examples=[{"name": "diabetes", "path": "model", "alias": "newest"}],
    )

    @model_validator(mode="after")
    def _steps_go_together(self) -> BackendConfig:
        # What a job file or MLflow gives a run, too, is no step's and not the pipeline's.
        given = [
            key
            for key in _NOT_WITH_STEPS
            if getattr(self, key) and (key != "compute" or self.compute == "local")
        ]
        if self.steps is not None and given:
            raise PydanticCustomError(
                "not_with_steps",
                "`{key}` does not go together with `steps`: {reason}",
                {"key": given[0], "reason": _NOT_WITH_STEPS[given[0]]},
            )
        return self

    @model_validator(mode="after")
    def _goes_together(self) -> BackendConfig:
        if self.register_model is not None and self.sweep is not None:
            raise PydanticCustomError(
                "register_model_of_sweep",
                "cannot have both `register_model` and `sweep`: the models are the trials'. "
                "Register the best one's afterwards: mlflow-azureml register TRIAL --name NAME",
            )
        if self.identity is not None and self.identity.type == "aml_token":
            secrets = [
                name for name, value in self.environment_variables.items() if is_secret(value)
            ]
            if secrets:
                raise PydanticCustomError(
                    "identity_of_secrets",
                    "environment_variables.{name} is read from a Key Vault, which `identity` "
                    "aml_token cannot; take managed or user_identity",
                    {"name": secrets[0]},
                )
        return self

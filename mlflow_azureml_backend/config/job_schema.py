"""The sections of Azure ML's command job YAML, as the backend config takes them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable  # noqa: TC003  # pydantic reads the annotations
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    StrictBool,
    StrictInt,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from mlflow_azureml_backend.config.values import ScalarText, Section, Text

# The keys of the job YAML that the config has too.
JOB_KEYS = (
    *("compute", "environment", "environment_variables", "experiment_name", "display_name"),
    *("description", "tags", "properties", "resources", "distribution", "limits"),
    *("queue_settings", "identity", "services", "parent_job_name", "inputs", "outputs"),
)

Count = Annotated[StrictInt, Field(gt=0)]
Port = Annotated[StrictInt, Field(gt=0, lt=65536)]

MAX_TAGS = 50
_MAX_TAG_KEY = 100
_SHM_SIZE = re.compile(r"[1-9]\d*[bBkKmMgG]")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _in_snake_case(value: Any) -> Any:
    """Spell a word as the job YAML does; `az ml` takes `UserIdentity` for `user_identity` too."""
    if not isinstance(value, str):
        return value
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", value).lower()


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _matching(pattern: re.Pattern[str], wanted: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise PydanticCustomError("pattern", "must be {wanted}", {"wanted": wanted})
        return value

    return check


def _labels(value: dict[str, str]) -> dict[str, str]:
    """Check what the service limits; longer values are shortened with a note (translate/job.py)."""
    if len(value) > MAX_TAGS:
        raise PydanticCustomError(
            "too_many", "has {n} entries, and Azure ML keeps 50", {"n": len(value)}
        )
    for key in value:
        if len(key) > _MAX_TAG_KEY:
            raise PydanticCustomError(
                "key_too_long",
                "the key '{key}…' has {n} characters, and Azure ML keeps 100",
                {"key": key[:20], "n": len(key)},
            )
    return value


def _joined(value: Any) -> Any:
    """Join a list of arguments: azure-ai-ml drops `locations` where this is a list."""
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return shlex.join(value)
    return value


DockerArgs = Annotated[
    Text,
    BeforeValidator(_joined),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Labels = Annotated[dict[Text, ScalarText], AfterValidator(_labels)]
Uuid = Annotated[Text, AfterValidator(_matching(_UUID, "a UUID"))]
ShmSize = Annotated[
    Text, AfterValidator(_matching(_SHM_SIZE, "a number and one of b, k, m, g, such as '4g'"))
]


class ResourcesConfig(Section):
    """`resources` of the job YAML: what the job's nodes are and get."""

    instance_type: Text | None = Field(
        default=None,
        description="VM size of a serverless job, or an instance type of a Kubernetes compute.",
        examples=["Standard_E4s_v3"],
    )
    instance_count: Count | None = Field(
        default=None, description="Number of nodes; default 1.", examples=[2]
    )
    max_instance_count: Count | None = Field(
        default=None, description="Most nodes that an elastic job may get."
    )
    shm_size: ShmSize | None = Field(
        default=None, description="Size of the shared memory; default 2g.", examples=["16g"]
    )
    docker_args: DockerArgs | None = Field(
        default=None,
        description="Further options of `docker run`: one text, or a list of arguments.",
        examples=["--ulimit memlock=-1"],
    )
    locations: Annotated[list[Text], Field(min_length=1)] | None = Field(
        default=None,
        description="Regions that a serverless job may run in.",
        examples=[["westeurope", "northeurope"]],
    )
    properties: dict[Text, Any] | None = Field(
        default=None, description="Further properties of the compute, handed on as they are."
    )

    @model_validator(mode="after")
    def _counts_fit(self) -> ResourcesConfig:
        if self.max_instance_count is not None and self.max_instance_count < (
            self.instance_count or 1
        ):
            raise PydanticCustomError(
                "counts", "must have a max_instance_count that is not below instance_count"
            )
        return self


class PyTorchConfig(Section):
    """PyTorch's distribution: one process a GPU, which find each other by MASTER_ADDR."""

    type: Annotated[Literal["pytorch"], BeforeValidator(_lower)]
    process_count_per_instance: Count | None = Field(
        default=None, description="Processes on each node; default 1.", examples=[4]
    )


class MpiConfig(Section):
    """MPI's distribution."""

    type: Annotated[Literal["mpi"], BeforeValidator(_lower)]
    process_count_per_instance: Count | None = Field(
        default=None, description="Processes on each node; default 1.", examples=[4]
    )


class TensorFlowConfig(Section):
    """TensorFlow's distribution: workers and parameter servers, told of each other by TF_CONFIG."""

    type: Annotated[Literal["tensorflow"], BeforeValidator(_lower)]
    worker_count: Count | None = Field(
        default=None, description="Number of workers; default: the number of nodes."
    )
    parameter_server_count: Annotated[StrictInt, Field(ge=0)] | None = Field(
        default=None, description="Number of parameter servers; default 0."
    )


class RayConfig(Section):
    """Ray's distribution: a head on the first node, workers on the others."""

    type: Annotated[Literal["ray"], BeforeValidator(_lower)]
    port: Port | None = Field(default=None, description="Port of the head.")
    address: Text | None = Field(default=None, description="Address of the head.")
    include_dashboard: StrictBool | None = Field(default=None, description="Start the dashboard.")
    dashboard_port: Port | None = Field(default=None, description="Port of the dashboard.")
    head_node_additional_args: Text | None = Field(
        default=None, description="Further options of `ray start` on the head."
    )
    worker_node_additional_args: Text | None = Field(
        default=None, description="Further options of `ray start` on the workers."
    )


class LimitsConfig(Section):
    """`limits` of the job YAML."""

    timeout: Count | None = Field(
        default=None,
        description="Seconds of running after which Azure ML cancels the job.",
        examples=[3600],
    )


class QueueSettingsConfig(Section):
    """`queue_settings` of the job YAML."""

    job_tier: (
        Annotated[Literal["spot", "basic", "standard", "premium", "null"], BeforeValidator(_lower)]
        | None
    ) = Field(default=None, description="Tier of a serverless job; spot is cheap and can be lost.")
    priority: Annotated[Literal["low", "medium", "high"], BeforeValidator(_lower)] | None = Field(
        default=None, description="Place in the compute's queue; default medium."
    )


class ManagedIdentityConfig(Section):
    """A managed identity of the compute; without an id, the one that the compute has."""

    type: Annotated[Literal["managed", "managed_identity"], BeforeValidator(_in_snake_case)]
    client_id: Uuid | None = Field(default=None, description="Client id of the identity.")
    object_id: Uuid | None = Field(default=None, description="Object id of the identity.")
    msi_resource_id: Text | None = Field(default=None, description="ARM id of the identity.")


class UserIdentityConfig(Section):
    """The identity of whoever submits the job."""

    type: Annotated[Literal["user_identity"], BeforeValidator(_in_snake_case)]


class AmlTokenConfig(Section):
    """The workspace's own token, good for the workspace alone."""

    type: Annotated[Literal["aml_token"], BeforeValidator(_in_snake_case)]


class _ServiceConfig(Section):
    port: Port | None = Field(default=None, description="Port of the service.")
    nodes: Literal["all"] | None = Field(
        default=None, description="'all' nodes; default: the first one."
    )
    properties: dict[Text, ScalarText] | None = Field(
        default=None, description="Further properties of the endpoint."
    )


class SshServiceConfig(_ServiceConfig):
    """SSH into the job's container."""

    type: Annotated[Literal["ssh"], BeforeValidator(_lower)]
    ssh_public_keys: Text = Field(
        description="The public key that may log in.", examples=["ssh-ed25519 AAAA… me@here"]
    )


class TensorBoardServiceConfig(_ServiceConfig):
    """TensorBoard on the job's logs."""

    type: Annotated[Literal["tensor_board"], BeforeValidator(_in_snake_case)]
    log_dir: Text | None = Field(default=None, description="Folder of the event files.")


class JupyterLabServiceConfig(_ServiceConfig):
    """JupyterLab in the job's container."""

    type: Annotated[Literal["jupyter_lab"], BeforeValidator(_in_snake_case)]


class VsCodeServiceConfig(_ServiceConfig):
    """VS Code in the job's container."""

    type: Annotated[Literal["vs_code"], BeforeValidator(_in_snake_case)]


# What `type` chooses, by the spelling of the job YAML. A mark that no `type` has stands for a
# missing or unknown one: its model then says what is allowed (reader.py leaves marks out).
BY_TYPE: dict[str, dict[str, type[BaseModel]]] = {
    "distribution": {
        "pytorch": PyTorchConfig,
        "mpi": MpiConfig,
        "tensorflow": TensorFlowConfig,
        "ray": RayConfig,
    },
    "identity": {
        "managed": ManagedIdentityConfig,
        "managed_identity": ManagedIdentityConfig,
        "user_identity": UserIdentityConfig,
        "aml_token": AmlTokenConfig,
    },
    "services": {
        "ssh": SshServiceConfig,
        "tensor_board": TensorBoardServiceConfig,
        "jupyter_lab": JupyterLabServiceConfig,
        "vs_code": VsCodeServiceConfig,
    },
}


def _type_of(kind: str) -> Discriminator:
    models = BY_TYPE[kind]
    words = [word for word in models if word != "managed_identity"]
    choices = f"{', '.join(repr(word) for word in words[:-1])} or {words[-1]!r}"

    def mark(value: Any) -> str | None:
        word = getattr(value, "type", None)
        if isinstance(value, dict):
            word = value.get("type")
        for spelled in (_lower(word), _in_snake_case(word)):
            if isinstance(spelled, str) and spelled in models:
                return f"<{models[spelled].__name__}>"
        return None

    return Discriminator(
        mark,
        custom_error_type="type_choice",
        custom_error_message=f"must be an object whose `type` is {choices}",
    )


def _tag(model: type[BaseModel]) -> Tag:
    return Tag(f"<{model.__name__}>")


Distribution = Annotated[
    Annotated[PyTorchConfig, _tag(PyTorchConfig)]
    | Annotated[MpiConfig, _tag(MpiConfig)]
    | Annotated[TensorFlowConfig, _tag(TensorFlowConfig)]
    | Annotated[RayConfig, _tag(RayConfig)],
    _type_of("distribution"),
]
Identity = Annotated[
    Annotated[ManagedIdentityConfig, _tag(ManagedIdentityConfig)]
    | Annotated[UserIdentityConfig, _tag(UserIdentityConfig)]
    | Annotated[AmlTokenConfig, _tag(AmlTokenConfig)],
    _type_of("identity"),
]
Service = Annotated[
    Annotated[SshServiceConfig, _tag(SshServiceConfig)]
    | Annotated[TensorBoardServiceConfig, _tag(TensorBoardServiceConfig)]
    | Annotated[JupyterLabServiceConfig, _tag(JupyterLabServiceConfig)]
    | Annotated[VsCodeServiceConfig, _tag(VsCodeServiceConfig)],
    _type_of("services"),
]

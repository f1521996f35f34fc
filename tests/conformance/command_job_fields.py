"""Every field of the official command job, how a backend config says it, and where it is not said.

A field is named by its path in the body of the request. The table in
docs/reference/job-fields.md is made of this one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# path -> (what the config says, the case of tests/translate/job_cases.py that sends it)
SAID: Final[dict[str, tuple[str, str]]] = {
    "command": ("the entry point's `command`", "compute"),
    "codeId": ("the project's folder", "compute"),
    "environmentId": ("the project's environment, or `environment`", "environment_reference"),
    "environmentVariables": ("`environment_variables`", "environment_variables"),
    "computeId": ("`compute`", "compute"),
    "displayName": ("`display_name`, `--run-name`", "names"),
    "experimentName": ("`experiment_name`, `--experiment-name`", "names"),
    "description": ("`description`", "names"),
    "tags": ("`tags`", "tags"),
    "properties": ("`properties`", "properties"),
    "resources.instanceCount": ("`resources.instance_count`", "resources"),
    "resources.instanceType": ("`resources.instance_type`", "resources"),
    "resources.properties": ("`resources.properties`", "resources"),
    "resources.shmSize": ("`resources.shm_size`, `-A shm-size=…`", "resources"),
    "resources.dockerArgs": ("`resources.docker_args`, `-A`", "resources"),
    "distribution.distributionType": ("`distribution.type`", "distribution_pytorch"),
    "distribution.PyTorch.processCountPerInstance": (
        "`distribution.process_count_per_instance`",
        "distribution_pytorch",
    ),
    "distribution.Mpi.processCountPerInstance": (
        "`distribution.process_count_per_instance`",
        "distribution_mpi",
    ),
    "distribution.TensorFlow.workerCount": (
        "`distribution.worker_count`",
        "distribution_tensorflow",
    ),
    "distribution.TensorFlow.parameterServerCount": (
        "`distribution.parameter_server_count`",
        "distribution_tensorflow",
    ),
    "limits.timeout": ("`limits.timeout`", "limits"),
    "limits.jobLimitsType": ("follows from `limits`", "limits"),
    "queueSettings.jobTier": ("`queue_settings.job_tier`", "queue_settings"),
    "identity.identityType": ("`identity.type`", "identity_user"),
    "identity.Managed.clientId": ("`identity.client_id`", "identity_managed"),
    "identity.Managed.objectId": ("`identity.object_id`", "identity_managed"),
    "identity.Managed.resourceId": ("`identity.msi_resource_id`", "identity_managed_resource"),
    "services.*.jobServiceType": ("`services.NAME.type`", "services"),
    "services.*.port": ("`services.NAME.port`", "services"),
    "services.*.nodes.nodesValueType": ("`services.NAME.nodes`", "services"),
    "services.*.properties": (
        "`services.NAME.properties`, `ssh_public_keys`, `log_dir`",
        "services",
    ),
    "jobType": ("always `Command`", "compute"),
    "isArchived": ("always false: a new job is not archived", "compute"),
}

# Fields that later versions of the API have, and azure-ai-ml sends.
LATER: Final[dict[str, tuple[str, str]]] = {
    "parentJobName": ("`parent_job_name`", "names"),
    "queueSettings.priority": ("`queue_settings.priority`", "queue_settings"),
    "resources.locations": ("`resources.locations`", "resources"),
    "resources.maxInstanceCount": ("`resources.max_instance_count`", "resources"),
    "distribution.Ray.port": ("`distribution.port`", "distribution_ray"),
    "distribution.Ray.address": ("`distribution.address`", "distribution_ray"),
    "distribution.Ray.includeDashboard": ("`distribution.include_dashboard`", "distribution_ray"),
    "distribution.Ray.dashboardPort": ("`distribution.dashboard_port`", "distribution_ray"),
    "distribution.Ray.headNodeAdditionalArgs": (
        "`distribution.head_node_additional_args`",
        "distribution_ray",
    ),
    "distribution.Ray.workerNodeAdditionalArgs": (
        "`distribution.worker_node_additional_args`",
        "distribution_ray",
    ),
}

NOT_SAID: Final[dict[str, str]] = {
    "componentId": "components belong to pipelines; the job YAML has no key for it",
    "notificationSetting": "azure-ai-ml sends none for a command job; the job YAML has no key",
    "services.*.endpoint": "the service tells where it is",
}

# Inputs and outputs have keys, tests and tables of their own.
ELSEWHERE: Final = ("inputs", "outputs")


def fields(api: dict[str, Any]) -> set[str]:
    """Name every field of CommandJob that a client may send, by its path in the body."""
    return set(_fields(api["definitions"], "CommandJob", ""))


def _fields(
    definitions: dict[str, Any], name: str, path: str, *, bases: bool = True
) -> Iterator[str]:
    schema = definitions[name]
    for base in schema.get("allOf", []) if bases else []:
        yield from _fields(definitions, base["$ref"].rpartition("/")[2], path)
    for key, field in schema.get("properties", {}).items():
        at = f"{path}{key}"
        if field.get("readOnly") or at in ELSEWHERE:
            continue
        inner = field if "$ref" in field else field.get("additionalProperties", field)
        reference = inner.get("$ref", "").rpartition("/")[2]
        if definitions.get(reference, {}).get("type") != "object" or at in NOT_SAID:
            yield at
            continue
        below = f"{at}." if inner is field else f"{at}.*."
        yield from _fields(definitions, reference, below)
        for value, variant in _variants(definitions, reference) if at != "limits" else ():
            yield from _fields(definitions, variant, f"{below}{value}.", bases=False)


def _variants(definitions: dict[str, Any], parent: str) -> Iterator[tuple[str, str]]:
    """Name what a discriminator chooses; of `limits` it would also be a sweep's."""
    for name, schema in definitions.items():
        if any(base["$ref"].endswith(f"/{parent}") for base in schema.get("allOf", [])):
            yield schema.get("x-ms-discriminator-value", name), name

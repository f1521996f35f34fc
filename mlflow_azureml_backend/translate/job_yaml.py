"""A `JobSpec` in the words of Azure ML's command job YAML: what is shown is what is submitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from mlflow_azureml_backend.translate.secret_variables import references

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.job import EnvironmentSpec, JobSpec

SCHEMA = "https://azuremlschemas.azureedge.net/latest/commandJob.schema.json"


class _Dumper(yaml.SafeDumper):
    """Write texts of several lines as such, so that a command can be read."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    # A line break that only YAML takes for one would be folded into a space.
    if not text.replace("\n", "").isprintable():
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent)


def as_text(document: Mapping[str, Any]) -> str:
    """Write a document as YAML that any reader takes back as it was."""
    return str(
        yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    )


def job_yaml(
    spec: JobSpec, *, code: str, name: str | None = None, context: str | None = None
) -> dict[str, Any]:
    """Give the document that `az ml job create -f` takes.

    Args:
        spec: The job.
        code: The snapshot: a folder, or the ARM id of what was uploaded.
        name: The job's name, or None to let the client choose one.
        context: The folder that holds the environment's build context, if it has one.
    """
    document = {
        "$schema": SCHEMA,
        "type": "command",
        "name": name,
        "display_name": spec.display_name,
        "experiment_name": spec.experiment_name,
        "description": spec.description,
        "tags": _plain(spec.tags),
        "properties": _plain(spec.properties),
        "parent_job_name": spec.parent_job_name,
        "command": spec.command,
        "code": code,
        "environment": _environment(spec.environment, context),
        "inputs": {name: given.as_job_yaml() for name, given in spec.inputs.items()},
        "outputs": {name: given.as_job_yaml() for name, given in spec.outputs.items()},
        "environment_variables": _plain(
            {**spec.environment_variables, **references(spec.secret_variables)}
        ),
        "compute": None if spec.compute is None else f"azureml:{spec.compute}",
        "resources": _resources(spec),
        "distribution": _plain(spec.distribution),
        "limits": _plain(spec.limits),
        "queue_settings": _plain(spec.queue_settings),
        "identity": _plain(spec.identity),
        "services": _plain(spec.services),
    }
    return {key: value for key, value in document.items() if value not in (None, {})}


def _environment(spec: EnvironmentSpec, context: str | None) -> Any:
    if spec.reference is not None:
        return spec.reference
    if spec.build is not None:
        return {"build": {"path": context, "dockerfile_path": spec.build.dockerfile}}
    if spec.conda_file is None:
        return {"image": spec.image}
    return {"image": spec.image, "conda_file": _plain(spec.conda_file)}


def _resources(spec: JobSpec) -> dict[str, Any]:
    resources = spec.resources
    sections = {
        "instance_type": resources.instance_type,
        "instance_count": resources.instance_count,
        "max_instance_count": resources.max_instance_count,
        "shm_size": resources.shm_size,
        "docker_args": resources.docker_args,
        "locations": list(resources.locations),
        "properties": _plain(resources.properties),
    }
    return {key: value for key, value in sections.items() if value not in (None, [], {})}


def _plain(value: Mapping[str, Any] | Any) -> Any:
    """Copy read-only mappings and tuples into what a YAML writer knows."""
    if hasattr(value, "items"):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value

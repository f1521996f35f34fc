"""What a compute can say of a job, for kinds that the emulator does not have."""

import dataclasses
from pathlib import Path

import pytest

from mlflow_azureml_backend.errors import ConfigError, ForbiddenError, WorkspaceError
from mlflow_azureml_backend.job import EMULATOR, EnvironmentSpec, JobSpec, ResourcesSpec
from mlflow_azureml_backend.workspace.job_checks import check_job


@dataclasses.dataclass
class FakeConnection:
    """Answer what a workspace with one compute answers."""

    kind: str
    properties: dict
    sizes: tuple = ()
    ref = EMULATOR
    workspace_facts = {"location": "westeurope"}  # noqa: RUF012

    def arm(self, method, path, **_):
        return {"properties": {"computeType": self.kind, "properties": self.properties}}

    def once(self, _question, ask, **_):
        return ask()

    def json(self, method, url, **_):
        if not self.sizes:
            raise ForbiddenError("no role")
        return {"value": [{"name": name, "gpus": gpus} for name, gpus in self.sizes]}


def check(connection, *, wants_gpu=False, compute="c", **resources):
    spec = JobSpec(
        command="true",
        code=Path(),
        environment=EnvironmentSpec(image="i", origin="o"),
        compute=compute,
        resources=ResourcesSpec(**resources),
        experiment_name="e",
    )
    return check_job(connection, spec, wants_gpu=wants_gpu)


def test_an_instance_that_is_stopped_is_told_how_to_start():
    with pytest.raises(WorkspaceError, match=r"it is Stopped\. Start it: az ml compute start"):
        check(FakeConnection("ComputeInstance", {"state": "Stopped"}))
    assert check(FakeConnection("ComputeInstance", {"state": "Running"})) == ()


def test_an_instance_has_one_node():
    with pytest.raises(ConfigError, match="which has one node"):
        check(FakeConnection("ComputeInstance", {"state": "Running"}), instance_count=2)


def test_a_kubernetes_compute_knows_its_instance_types():
    cluster = FakeConnection("Kubernetes", {"instanceTypes": {"small": {}, "gpu": {}}})
    assert check(cluster, instance_type="gpu", instance_count=50) == ()
    with pytest.raises(ConfigError, match=r"no instance type 'big'\. It has: small, gpu"):
        check(cluster, instance_type="big")


def test_a_service_that_does_not_tell_its_sizes_refuses_none():
    serverless = FakeConnection("", {})
    assert check(serverless, compute=None, instance_type="Standard_Any") == ()
    assert check(FakeConnection("AmlCompute", {"vmSize": "ANY"}), wants_gpu=True) == ()


def test_a_gpu_is_asked_of_a_size_that_has_one():
    sizes = (("Standard_A", 0), ("Standard_G", 1))
    cluster = FakeConnection("AmlCompute", {"vmSize": "STANDARD_G"}, sizes)
    assert check(cluster, wants_gpu=True) == ()
    with pytest.raises(ConfigError, match="Standard_A has no GPU"):
        check(cluster, compute=None, instance_type="Standard_A", wants_gpu=True)


def test_a_compute_of_another_workspace_is_taken_as_it_is():
    away = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/x/c"
    assert check(FakeConnection("", {}), compute=away) == ()

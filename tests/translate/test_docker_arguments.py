"""`--docker-args` become the job's resources, or are refused by name."""

import pytest

from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.job import ResourcesSpec
from mlflow_azureml_backend.translate.docker_arguments import resources_from_docker_args


@pytest.mark.parametrize(
    ("arguments", "resources"),
    [
        ({}, ResourcesSpec()),
        ({"shm-size": "2g"}, ResourcesSpec(shm_size="2g")),
        ({"ipc": "host", "init": True}, ResourcesSpec(docker_args="--ipc host --init")),
        (
            {"shm-size": "1g", "ulimit": "memlock=-1:-1", "cap-add": "SYS_PTRACE; reboot"},
            ResourcesSpec(
                shm_size="1g",
                docker_args="--ulimit memlock=-1:-1 --cap-add 'SYS_PTRACE; reboot'",
            ),
        ),
        ({"h": "node"}, ResourcesSpec(docker_args="-h node")),
    ],
)
def test_docker_args_become_resources(arguments, resources):
    assert resources_from_docker_args(arguments) == resources


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"v": "/a:/b"}, "-v: the job does not see this machine's folders"),
        ({"env": "A=b"}, "--env: set `environment_variables`"),
        ({"gpus": "all"}, "--gpus: the compute decides"),
        ({"t": True}, "-t: Azure ML starts the container"),
    ],
)
def test_what_azure_ml_decides_is_refused_by_name(arguments, said):
    with pytest.raises(ConfigError) as caught:
        resources_from_docker_args({"ipc": "host", **arguments})
    assert str(caught.value).startswith("--docker-args (-A): ")
    assert said in str(caught.value)
    assert "--ipc" not in str(caught.value)

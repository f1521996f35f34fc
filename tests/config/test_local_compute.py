"""What a config may say beside `compute: local`."""

from __future__ import annotations

import pytest

from mlflow_azureml_backend.config import BackendConfig
from mlflow_azureml_backend.config.local_compute import check_local, refuse_local
from mlflow_azureml_backend.errors import ConfigError


def config(**more) -> BackendConfig:
    return BackendConfig.model_validate({"compute": "local", **more})


@pytest.mark.parametrize("spelled", ["local", "LOCAL", "Local", "azureml:local", " local "])
def test_local_may_be_in_any_case(spelled):
    assert config(compute=spelled).compute == "local"


def test_what_only_a_job_can_have_is_refused_all_at_once():
    wrong = config(
        sweep={
            "search_space": {"x": {"type": "choice", "values": [1]}},
            "objective": {"goal": "maximize", "primary_metric": "m"},
            "limits": {"max_total_trials": 2},
        },
        distribution={"type": "pytorch"},
        environment="azureml:name:1",
        resources={"instance_count": 2},
        environment_variables={"KEY": "keyvault:key", "OPEN": "1"},
        inputs={"data": {"path": "azureml:data:1"}, "word": "azureml:data:1"},
        outputs={"model": {"name": "registered"}, "plain": None},
    )

    with pytest.raises(ConfigError) as caught:
        check_local(wrong)

    keys = [line.split(":")[0].strip(" -") for line in str(caught.value).splitlines()[1:]]
    assert keys == [
        "sweep",
        "distribution",
        "environment",
        "inputs.data",
        "outputs.model",
        "environment_variables.KEY",
        "resources.instance_count",
    ]


def test_what_says_nothing_here_is_noted():
    notes = check_local(
        config(resources={"instance_type": "Standard_DS3_v2"}, queue_timeout=60, tags={"a": "b"})
    )

    assert notes == (
        "resources says nothing for a run on this machine",
        "queue_timeout says nothing for a run on this machine",
    )


def test_a_config_of_its_own_needs_no_note():
    assert check_local(config(limits={"timeout": 60}, description="text")) == ()


def test_there_is_no_job_to_show():
    with pytest.raises(ConfigError, match="there is no job"):
        refuse_local(config())
    refuse_local(BackendConfig())

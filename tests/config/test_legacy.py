"""Configs of azureml-mlflow's own backend work, and today's spelling is told."""

import pytest

from mlflow_azureml_backend.config import read_backend_config
from mlflow_azureml_backend.errors import ConfigError


@pytest.mark.parametrize(
    ("raw", "compute", "stream"),
    [
        ({"COMPUTE": "cpu-cluster", "USE_CONDA": "True"}, "cpu-cluster", True),
        (
            {"COMPUTE": "cpu-cluster", "USE_CONDA": False, "STREAM_OUTPUT": False},
            "cpu-cluster",
            False,
        ),
        ({"Compute": " cpu ", "stream_output": "FALSE"}, "cpu", False),
        ({"COMPUTE": "LOCAL", "USE_CONDA": "False"}, "local", True),
        ({"COMPUTE": "cpu", "compute": "cpu", "STREAM_OUTPUT": "true"}, "cpu", True),
    ],
)
def test_legacy_keys_work_in_any_case_and_as_texts_or_booleans(raw, compute, stream):
    config, options = read_backend_config(raw)
    assert (config.compute, config.stream) == (compute, stream)
    assert len(options.notes) == len(set(raw) - {"compute"})


@pytest.mark.parametrize("raw", [{"USE_CONDA": "True"}, {"stream_output": False}])
def test_a_legacy_config_without_a_compute_means_this_machine(raw):
    config, options = read_backend_config(raw)

    assert config.compute == "local"
    assert options.notes[-1] == (
        'no COMPUTE meant this machine, which is {"compute": "local"} today; for a serverless job '
        'say {"compute": "serverless"}'
    )


@pytest.mark.parametrize(
    "today", [{"compute": "serverless"}, {"resources": {"instance_type": "Standard_DS3_v2"}}]
)
def test_a_legacy_key_beside_todays_words_for_where_to_run_changes_nothing(today):
    config, _ = read_backend_config({"USE_CONDA": "True", **today})

    assert config.compute == today.get("compute")


def test_one_line_shows_todays_spelling():
    _, options = read_backend_config({"COMPUTE": "cpu", "STREAM_OUTPUT": "False"})
    assert options.notes == (
        'COMPUTE is spelled compute today: {"compute": "cpu"}',
        'STREAM_OUTPUT is spelled stream today: {"stream": false}',
    )


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"STREAM_OUTPUT": "yes"}, "STREAM_OUTPUT: must be true or false, got 'yes'"),
        ({"COMPUTE": "a", "compute": "b"}, "COMPUTE and compute say two things: 'a' and 'b'"),
        ({"COMPUTE": 3}, "compute: must be text, got 3"),
        (
            {"USE_CONDA": 1, "STREAM_OUTPUT": None},
            "USE_CONDA: must be true or false, got 1; STREAM_OUTPUT: must be true or false",
        ),
    ],
)
def test_a_legacy_key_with_a_wrong_value_is_one_clear_message(raw, message):
    with pytest.raises(ConfigError) as caught:
        read_backend_config(raw)
    assert message in str(caught.value)

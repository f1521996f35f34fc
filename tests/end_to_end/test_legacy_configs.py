"""A config of azureml-mlflow's own backend runs as it is."""

import json

import pytest

from tests.end_to_end.conftest import PROJECTS

pytestmark = pytest.mark.campaign


def test_a_legacy_config_runs_and_shows_todays_spelling(mlflow_run, config, tmp_path, runs):
    old = {
        "workspace": config["workspace"],
        "COMPUTE": config["compute"],
        "USE_CONDA": "True",
        "STREAM_OUTPUT": "True",
    }
    file = tmp_path / "legacy.json"
    file.write_text(json.dumps(old))

    result = mlflow_run(str(PROJECTS / "training"), "--backend-config", str(file))

    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stderr.split())
    assert 'COMPUTE is spelled compute today: {"compute"' in said
    assert "USE_CONDA says nothing today" in said
    assert [run.info.status for run in runs()] == ["FINISHED"]

"""`doctor`: what is known not to work is found, with its fix, and no check hangs."""

from __future__ import annotations

import json
import threading
import time

import pytest

from mlflow_azureml_backend.diagnosis import Finding, State, doctor, versions
from mlflow_azureml_backend.diagnosis.azure import judged_chain, judged_compute
from mlflow_azureml_backend.diagnosis.finding import Check, run_checks
from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.job import ComputeState
from mlflow_azureml_backend.workspace.credential_chain import ChainLink, LinkState
from tests.cli.conftest import read_json

GOOD = {
    "mlflow": "3.15.0",
    "mlflow-skinny": "3.15.0",
    "azure-ai-ml": "1.35.2",
    "azure-identity": "1.27.0",
    "azure-storage-blob": "12.27.1",
    "azureml-mlflow": "1.62.0.post6",
    "sqlalchemy": "2.0.40",
    "marshmallow": "3.26.2",
}


def judged(python="3.11.7", **changed):
    """Judge installed versions; None takes a package away."""
    given = {**GOOD, **{name.replace("_", "-"): value for name, value in changed.items()}}
    installed = {name: version for name, version in given.items() if version}
    findings = [
        *versions.check_python(python),
        *versions.check_packages(installed),
        *versions.check_plugin(installed, python=python),
        *versions.check_pairs(installed),
    ]
    return {finding.name: finding for finding in findings if finding.state is not State.OK}


def test_versions_that_work_are_not_complained_of():
    assert judged() == {}
    assert judged(azureml_mlflow=None) == {}
    assert judged(mlflow="2.9.2", mlflow_skinny=None, azureml_mlflow="1.60.0.post1") == {}


@pytest.mark.parametrize(
    ("changed", "name", "state", "found", "fix"),
    [
        ({"python": "3.9.1"}, "Python", "failure", "3.9.1", "3.10 to 3.13"),
        ({"python": "3.14.0"}, "Python", "warning", "3.14.0", "3.10 to 3.13"),
        ({"mlflow": None}, "mlflow", "failure", "not installed", "pip install 'mlflow"),
        ({"azure_ai_ml": "1.20.0"}, "azure-ai-ml", "failure", ">=1.30", "pip install"),
        (
            {"azureml_mlflow": "1.60.0"},
            "azureml-mlflow",
            "failure",
            "tracking_uri",
            "azureml-mlflow==1.62.0.post6",
        ),
        (
            {"azureml_mlflow": "1.61.0"},
            "azureml-mlflow",
            "failure",
            "not released for mlflow 3.15.0",
            "azureml-mlflow==1.62.0.post6",
        ),
        (
            {"mlflow": "3.17.2", "mlflow_skinny": "3.17.2"},
            "azureml-mlflow",
            "warning",
            "not released for mlflow 3.17.2",
            "an MLflow up to 3.15.0",
        ),
        (
            {"mlflow": "2.9.2", "azureml_mlflow": None},
            "mlflow-skinny",
            "failure",
            "3.15.0 lies in the same folder as mlflow 2.9.2",
            "mlflow-skinny==2.9.2",
        ),
        (
            {
                "mlflow": "2.22.0",
                "mlflow_skinny": "2.22.0",
                "azureml_mlflow": None,
                "sqlalchemy": "2.1.0",
            },
            "mlflow + sqlalchemy",
            "failure",
            "SQLAlchemy 2.1",
            "sqlalchemy<2.1",
        ),
        (
            {"marshmallow": "4.0.0"},
            "azure-ai-ml + marshmallow",
            "failure",
            "marshmallow 4",
            "marshmallow<4",
        ),
    ],
)
def test_versions_that_do_not_work_are_found_with_their_fix(changed, name, state, found, fix):
    findings = judged(**changed)

    assert list(findings) == [name]
    assert findings[name].state.value == state
    assert found in findings[name].found
    assert fix in findings[name].fix


def link(name, state, says=""):
    return ChainLink(name=name, state=state, says=says)


UNSET = LinkState.NOT_SET_UP


def test_the_first_link_that_signs_in_counts():
    found = judged_chain(
        [
            link("EnvironmentCredential", UNSET, "no variables"),
            link("AzureCliCredential", LinkState.REFUSED, "az login"),
            link("AzurePowerShellCredential", LinkState.WORKS),
        ]
    )
    assert found.state is State.OK
    assert found.found == "AzurePowerShellCredential signs in"
    assert found.details[0] == "EnvironmentCredential: not set up (no variables)"


def test_a_link_that_is_set_up_wrongly_hides_those_behind_it():
    found = judged_chain(
        [
            link("EnvironmentCredential", LinkState.REFUSED, "AADSTS7000215"),
            link("AzureCliCredential", LinkState.WORKS),
        ]
    )
    assert found.state is State.FAILURE
    assert "tries none behind it" in found.found
    assert "AZURE_CLIENT_ID" in found.fix


def test_no_link_at_all_is_a_failure():
    found = judged_chain([link("EnvironmentCredential", UNSET)])
    assert found.state is State.FAILURE
    assert "az login" in found.fix


@pytest.mark.parametrize(
    ("told", "state", "found"),
    [
        ({"most_nodes": 4, "nodes": {"running": 1, "idle": 1}}, "ok", "2 of 4 nodes (1 running"),
        ({"most_nodes": 2, "nodes": {"running": 2}}, "warning", "a new job waits"),
        ({"most_nodes": 0}, "failure", "0 of 0 nodes"),
        ({"most_nodes": 4, "errors": ("Not enough quota.",)}, "failure", "Not enough quota."),
        ({}, "ok", "0 of ? nodes"),
    ],
)
def test_a_compute_is_judged_by_whether_a_job_would_start(told, state, found):
    judgement = judged_compute(ComputeState(name="c", **told))
    assert judgement.state.value == state
    assert found in judgement.found
    assert (judgement.fix is None) == (state == "ok")


def test_a_check_that_hangs_or_breaks_is_a_finding_and_the_next_is_made():
    released = threading.Event()

    def hang():
        released.wait(60)
        return []

    def break_():
        raise ConfigError("a bad config")

    def fall():
        raise ZeroDivisionError

    checks = [
        Check(name="hangs", look=hang, seconds=0.05),
        Check(name="breaks", look=break_),
        Check(name="falls", look=fall),
        Check(name="works", look=lambda: [Finding(name="works", found="it does")]),
    ]
    started = time.monotonic()
    late, broken, fallen, fine = run_checks(checks)
    released.set()

    assert time.monotonic() - started < 30
    assert "no answer" in late.found
    assert broken.found == "a bad config"
    assert fallen.found.startswith("ZeroDivisionError")
    assert fine.state is State.OK


def test_all_is_well_in_the_workspace_and_its_secrets_stay_secret(cli, world, emulator, tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"workspace": world.workspace.arm_id, "compute": "cpu-cluster"}))
    result = cli("doctor", "-c", str(config), "--json")

    told = read_json(result)
    found = {finding["name"]: finding for finding in told["findings"]}
    assert found["credential"]["found"] == "EnvironmentCredential signs in"
    assert "cli (resource group tests) answers, in eastus" in found["workspace"]["found"]
    assert found["compute"]["found"].startswith("cpu-cluster: ")
    assert found["backend azureml"]["found"].startswith("this package's")
    assert found["tracking store"]["state"] == "ok"
    assert found["emulator"]["state"] == "ok"
    assert (result.exit_code == 0) == told["ok"]
    assert not [f for f in told["findings"] if f["state"] == "failure"]
    assert emulator.client_secret not in result.output


def test_what_is_wrong_is_found_and_ends_with_one(cli, world, tmp_path, monkeypatch):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"workspace": world.workspace.arm_id, "compute": "gone"}))
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "a wrong secret")
    result = cli("doctor", "-c", str(config))

    assert result.exit_code == 1
    assert "EnvironmentCredential is set up and does not sign in" in result.stdout
    assert "a wrong secret" not in result.output
    config.write_text('{"computer": "x"}')
    [found] = [f for f in doctor(config) if f.name == "backend config"]
    assert "computer" in found.found
    assert "schema" in found.fix


def test_a_compute_that_is_not_there_is_named_with_those_that_are(world, signed_in):
    from mlflow_azureml_backend.diagnosis.azure import check_compute

    check = Check(name="compute", look=lambda: check_compute(world.workspace, "gone"))
    [found] = run_checks([check])
    assert found.state is State.FAILURE
    assert "It has: cpu-cluster" in found.found

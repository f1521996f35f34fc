"""Secrets reach the job's process, and are nowhere else."""

import json
import uuid

import pytest

from mlflow_azureml_backend.follow import Follower
from mlflow_azureml_backend.plan import plan_run
from mlflow_azureml_backend.submitted_run import display_for
from mlflow_azureml_backend.workspace.jobs import read_job

HELD = "it's $(id) held: \n\u00e9"
GIVEN = 'given `secret` "x" \\'
PEM = "-----BEGIN CERTIFICATE-----\nMIIB$\n-----END CERTIFICATE-----\n"
CHECK = f"""\
import os
assert os.environ["HELD"] == {HELD!r}
assert os.environ["TOKEN"] == "a " + {GIVEN!r}
assert os.environ["SHOWN"] == "me"
certificate = os.environ["MLFLOW_TRACKING_CLIENT_CERT_PATH"]
assert open(certificate).read() == {PEM!r}
assert os.stat(certificate).st_mode & 0o077 == 0
print("all there")
"""
CONFIG = {
    "environment": {"image": "ubuntu:22.04"},
    "environment_variables": {
        "HELD": "keyvault:held-secret",
        "TOKEN": {"value": "a ${env:GIVEN_HERE}", "secret": True},
        "SHOWN": "me",
        # What MLflow wants as a file becomes one.
        "MLFLOW_TRACKING_CLIENT_CERT_PATH": {"value": PEM, "secret": True},
    },
}


@pytest.fixture
def planned(project, monkeypatch):
    monkeypatch.setenv("GIVEN_HERE", GIVEN)
    (project / "MLproject").write_text("entry_points: {main: {command: 'python check.py'}}")
    (project / "check.py").write_text(CHECK, encoding="utf-8")

    def plan(**config):
        return plan_run(
            str(project),
            version=None,
            entry_point="main",
            parameters={},
            backend_config={**CONFIG, **config},
            experiment_name="secrets",
            run_name=None,
        )

    return plan


@pytest.fixture
def vault(opened):
    """Put one secret into the workspace's vault, as its owner would."""
    name = opened._connection.workspace_facts["properties"]["keyVault"].rpartition("/")[2]
    url = f"https://{name}.vault.azure.net/secrets/held-secret?api-version=7.4"
    opened._connection.vault("PUT", url, doing="storing a secret", body={"value": HELD})
    return name


def outcome(opened, plan):
    name = f"secrets_{uuid.uuid4().hex[:8]}"
    opened.submit(plan.spec, name=name)
    follower = Follower(opened, name, display_for(stream=True))
    return name, follower.follow(lambda _: None)


@pytest.mark.parametrize("identity", [None, {"type": "user_identity"}])
def test_a_job_reads_its_secrets_by_its_identity(opened, vault, planned, identity, capfd):
    plan = planned(**({"identity": identity} if identity else {}))
    name, end = outcome(opened, plan)

    said = capfd.readouterr()
    assert end.succeeded, said
    assert "all there" in said.out
    shown = json.dumps(read_job(opened._connection, name))
    everything = shown + repr(plan) + plan.text() + said.out + said.err
    for secret in (HELD, GIVEN, json.dumps(HELD)[1:-1], json.dumps(GIVEN)[1:-1]):
        assert secret not in everything
    assert f"https://{vault}.vault.azure.net/secrets/held-secret" in shown


def test_a_secret_that_is_not_there_fails_the_job_with_the_vaults_words(opened, planned, capfd):
    _, end = outcome(opened, planned())

    assert end.status == "Failed"
    said = "".join(capfd.readouterr())
    assert "held-secret" in said
    assert "was not found in this key vault" in said
    assert "Key Vault Secrets User" in said

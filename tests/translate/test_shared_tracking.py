"""The command of a job that logs to the user's server, run by bash as the service runs it."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from mlflow_azureml_backend.job import EnvironmentSpec, JobSpec
from mlflow_azureml_backend.translate.experiment import fitting_experiment
from mlflow_azureml_backend.translate.shared_tracking import (
    ServerRun,
    copying_to_workspace,
    logging_to,
)

OF_THE_SERVICE = {
    "MLFLOW_TRACKING_URI": "azureml://h/w",
    "MLFLOW_TRACKING_TOKEN": "the service's",
    "MLFLOW_RUN_ID": "job_1",
    "MLFLOW_EXPERIMENT_ID": "1",
    "MLFLOW_EXPERIMENT_NAME": "in the workspace",
}
SHOW = 'echo "$MLFLOW_TRACKING_URI $MLFLOW_RUN_ID $MLFLOW_EXPERIMENT_ID"; env | cut -d= -f1'


@pytest.fixture
def in_bash(tmp_path):
    """Run a command as a job does, with a `python` that tells how it is called."""
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(
        "#!/bin/sh\n"
        'case "$2" in *over.wait*)\n'
        '  trap "echo copied; exit" TERM; while :; do sleep 0.05; done;;\n'
        "esac\n"
        'echo "ends $3 $MLFLOW_RUN_ID"\n'
    )
    python.chmod(0o755)

    def run(command, *, distributed=False):
        spec = JobSpec(
            command=command,
            code=Path(),
            environment=EnvironmentSpec(origin="o"),
            compute=None,
            experiment_name="e",
            environment_variables={"MINE": "x y"},
        )
        if distributed:
            spec = replace(spec, distribution={"type": "pytorch"})
        job = logging_to(spec, ServerRun(uri="https://h", run_id="r", experiment_id="7"))
        return subprocess.run(
            ["bash", "-c", job.command],
            env={
                "PATH": f"{python.parent}:/usr/bin:/bin",
                **OF_THE_SERVICE,
                **job.environment_variables,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    return run


def test_what_the_service_sets_is_overridden_and_its_token_is_gone(in_bash):
    result = in_bash(SHOW)
    lines = result.stdout.splitlines()

    assert lines[0] == "https://h r 7"
    assert {"MINE", "MLFLOW_RUN_ID"} <= set(lines)
    assert not {"MLFLOW_TRACKING_TOKEN", "MLFLOW_EXPERIMENT_NAME"} & set(lines)


@pytest.mark.parametrize("code", [0, 3])
@pytest.mark.parametrize("said", ["", "set -euo pipefail; "])
def test_the_run_is_ended_with_the_status_of_the_command(in_bash, code, said):
    result = in_bash(f"{said}echo working; (exit {code})")

    assert result.stdout.splitlines() == ["working", f"ends {code} r"]
    assert result.returncode == code


def test_no_process_of_a_distributed_job_ends_the_run(in_bash):
    assert in_bash("echo working", distributed=True).stdout.splitlines() == ["working"]


def test_the_copying_to_the_workspace_ends_after_the_run_and_the_job_after_both(in_bash):
    result = in_bash(copying_to_workspace("set -eu; sleep 0.2; exit 3"))

    assert result.stdout.splitlines() == ["ends 3 r", "copied"]
    assert result.returncode == 3


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("Default", "Default"),
        ("my first_try-2.0", "my first_try-2.0"),
        ("/Users/me@example.com/e", "Users-me-example.com-e"),
        ("über\nall", "ber-all"),
        ("x" * 300, "x" * 256),
        ("日本", "Default"),
    ],
)
def test_an_experiment_of_any_store_has_a_name_that_azure_takes(name, fits):
    assert fitting_experiment(name) == fits

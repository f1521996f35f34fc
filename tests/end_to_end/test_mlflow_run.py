"""`mlflow run … --backend azureml`, from the command line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mlflow_azureml_backend.cli import main

PROJECTS = Path(__file__).parent / "projects"


def artifacts_of(client, run_id: str, path: str | None = None) -> set[str]:
    found: set[str] = set()
    for file in client.list_artifacts(run_id, path):
        found |= artifacts_of(client, run_id, file.path) if file.is_dir else {file.path}
    return found


def test_a_project_trains_and_the_local_run_equals_the_job(mlflow_run, config_file, client, runs):
    result = mlflow_run(
        str(PROJECTS / "training"),
        "--backend-config",
        config_file,
        "--run-name",
        "first",
        *("-P", "alpha=0.25"),
        *("-P", "label=two words; $(touch no) ${{inputs.x}}"),
        *("-P", "extra=*"),
    )

    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "label is 'two words; $(touch no) ${{inputs.x}}', extra is '*'"
    assert "the run is the job: True" in lines
    assert lines[-1] == "no line break at the end"

    [run] = runs()
    assert run.info.status == "FINISHED"
    assert run.data.params == {
        "alpha": "0.25",
        "label": "two words; $(touch no) ${{inputs.x}}",
        "extra": "*",
        "from_the_job": "yes",
    }
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [
        (step, 0.25 / (step + 1)) for step in range(5)
    ]
    tags = run.data.tags
    assert tags["colour"] == "blue"
    assert tags["mlflow.runName"] == "first"
    assert tags["mlflow.project.backend"] == "azureml"
    assert tags["mlflow.project.entryPoint"] == "main"
    assert tags["mlflow.source.type"] == "PROJECT"
    assert tags["azureml.job_name"] in tags["azureml.studio_url"]
    assert {"notes/note.txt", "azureml/artifacts.json", "user_logs/std_log.txt"} <= artifacts_of(
        client, run.info.run_id
    )
    assert tags["azureml.job_name"] in result.stderr
    for word in ("Workspace", "Compute", "Environment", "Link", "Running", "Completed"):
        assert word in result.stderr


def test_a_failing_job_prints_its_error_and_exits_with_one(mlflow_run, config_file, runs):
    result = mlflow_run(str(PROJECTS / "failing"), "--backend-config", config_file)

    assert result.exit_code == 1
    assert result.stdout.splitlines() == ["about to fail", "no such luck"]
    assert "Failed" in result.stderr
    assert "exited with status code 1" in result.stderr
    [run] = runs()
    assert run.info.status == "FAILED"
    assert "exited with status code 1" in run.data.tags["azureml.error"]


def test_without_streaming_the_run_is_followed_later_by_its_id(mlflow_run, config, client, runs):
    from click.testing import CliRunner

    from mlflow_azureml_backend.cli import main

    config["stream"] = False
    result = mlflow_run(str(PROJECTS / "training"), "--backend-config", json.dumps(config))

    assert result.exit_code == 0
    assert result.stdout == ""
    [run] = runs()
    assert run.info.status == "RUNNING"
    assert f"mlflow-azureml logs -f {run.info.run_id}" in result.stderr

    followed = CliRunner().invoke(main, ["logs", "-f", run.info.run_id])

    assert followed.exit_code == 0, followed.output
    assert followed.stdout.splitlines()[0] == "label is 'plain', extra is None"
    assert client.get_run(run.info.run_id).info.status == "FINISHED"
    assert CliRunner().invoke(main, ["status", run.info.run_id]).stdout == "Completed\n"
    # The run is complete: a second follower shows the log again and changes nothing.
    again = CliRunner().invoke(main, ["logs", run.info.run_id])
    assert again.stdout == followed.stdout
    assert len(client.get_metric_history(run.info.run_id, "loss")) == 5


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT goes to a process group there")
def test_ctrl_c_cancels_the_job_and_ends_the_run(config_file, client, runs):
    command = [sys.executable, "-m", "mlflow", "run", str(PROJECTS / "waiting")]
    command += ["--backend", "azureml", "--backend-config", config_file]
    with subprocess.Popen(
        [*command, "--experiment-name", "sample"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "Traceback" not in errors
    assert re.search(r"Cancelling job waiting_\w+", errors)
    [run] = runs()
    assert run.info.status == "KILLED"


def test_a_script_runs_as_entry_point(mlflow_run, config_file, runs):
    result = mlflow_run(
        str(PROJECTS / "training"),
        *("-e", "train.py", "-P", "alpha=1"),
        *("--backend-config", config_file),
    )

    assert result.exit_code == 0, result.stderr
    assert "label is None, extra is None" in result.stdout
    [run] = runs()
    assert run.data.tags["mlflow.project.entryPoint"] == "train.py"


def ours(*arguments: str) -> Result:
    """Call `mlflow-azureml run`."""
    return CliRunner().invoke(main, ["run", *arguments])


def test_mlflow_azureml_run_takes_every_option_of_mlflow_run_by_the_same_names():
    from mlflow.cli import run as theirs

    spelled = {spelling for option in main.commands["run"].params[1:] for spelling in option.opts}
    wanted = {spelling for option in theirs.params[1:] for spelling in option.opts}
    assert wanted - spelled == {"--backend", "-b", "--run-id"}
    assert spelled - wanted == {"--tracking-uri"}


def test_mlflow_azureml_run_follows_the_job_and_ends_as_the_job_ended(config_file, client, runs):
    project = str(PROJECTS / "training")
    common = (project, "-c", config_file, "--experiment-name", "sample", "--run-name", "ours")
    result = ours(*common, "-P", "alpha=0.25", "-P", "label=$(touch no)")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0].startswith("label is '$(touch no)'")
    [run] = runs()
    assert run.info.status == "FINISHED"
    assert run.data.params["alpha"] == "0.25"
    assert run.data.tags["mlflow.runName"] == "ours"
    assert run.data.tags["mlflow.project.backend"] == "azureml"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("-P", "alpha"), 2, "--param-list: 'alpha' must be NAME=VALUE."),
        (("-c", "{"), 1, "it is not JSON at all"),
        (("--experiment-id", "0", "--experiment-name", "a"), 2, "not both"),
        (("-e", "nowhere"), 1, "nowhere"),
    ],
)
def test_mlflow_azureml_run_tells_a_mistake_in_one_message(config_file, arguments, code, message):
    result = ours(str(PROJECTS / "training"), "-c", config_file, *arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.output

"""The command of a project on this machine: what its parameters and data become."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import yaml

from mlflow_azureml_backend.errors import AzureMLBackendError, ProjectError
from mlflow_azureml_backend.local_run.command import local_values, shell_command
from mlflow_azureml_backend.local_run.plan import plan_local_run


@pytest.fixture
def plan(tmp_path, monkeypatch):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "data.csv").write_text("1")
    (tmp_path / "mine.csv").write_text("2")
    monkeypatch.chdir(tmp_path)

    def planned(command="run {text} {data}", parameters=None, **config):
        entry = {
            "command": command,
            "parameters": {
                "text": {"default": "a"},
                "data": {"type": "path", "default": "data.csv"},
            },
        }
        (tmp_path / "project" / "MLproject").write_text(
            yaml.safe_dump({"name": "x", "entry_points": {"main": entry}})
        )
        return plan_local_run(
            "project",
            version=None,
            entry_point="main",
            parameters=parameters,
            backend_config={"compute": "local", "inject": "never", **config},
        )

    return planned


def words(plan, **options) -> list[str]:
    return shlex.split(shell_command(plan, local_values(plan, note=print, **options)))


@pytest.mark.parametrize(
    "text", ["", "two words", "$(id)", "it's", "{x}", "${{inputs.a}}", "-n", "*"]
)
def test_a_value_arrives_as_it_is(plan, text):
    assert words(plan(parameters={"text": text}))[1] == text


def test_data_is_named_by_its_absolute_path(plan, tmp_path):
    assert words(plan())[2] == str(tmp_path / "project" / "data.csv")
    assert words(plan(parameters={"data": "mine.csv"}))[2] == str(tmp_path / "mine.csv")


def test_extra_parameters_are_appended_and_inputs_of_the_config_are_not(plan, tmp_path):
    planned = plan(
        "run {inputs.table} {outputs.model}",
        {"more": "1"},
        inputs={"table": {"path": "data.csv"}},
        outputs={"model": None},
    )

    assert words(planned) == [
        "run",
        str(tmp_path / "project" / "data.csv"),
        str(tmp_path / "project" / "outputs" / "model"),
        "--more",
        "1",
    ]
    assert (tmp_path / "project" / "outputs" / "model").is_dir()


def test_data_that_only_jobs_can_read_is_refused(plan):
    planned = plan(parameters={"data": "azureml:table:1"})

    with pytest.raises(ProjectError, match="'data': azureml:table:1 is read by jobs"):
        local_values(planned, note=print)


def test_a_config_without_local_is_a_jobs(plan):
    assert plan(compute="cpu-cluster") is None


def test_secrets_of_this_machine_are_variables_and_not_shown(plan, monkeypatch):
    monkeypatch.setenv("KEY", "hush")
    planned = plan(
        environment_variables={"SECRET": {"value": "${env:KEY}", "secret": True}, "OPEN": "1"}
    )

    assert dict(planned.variables) == {"SECRET": "hush", "OPEN": "1"}
    assert "hush" not in planned.text() + repr(planned)
    assert yaml.safe_load(planned.text())["environment_variables"] == ["OPEN", "SECRET"]


def test_what_is_wrong_with_the_config_is_told_before_the_project_is_read(tmp_path):
    with pytest.raises(AzureMLBackendError, match="distribution: there is one process"):
        plan_local_run(
            str(Path("/nowhere")),
            version=None,
            entry_point="main",
            parameters=None,
            backend_config={"compute": "local", "distribution": {"type": "pytorch"}},
        )

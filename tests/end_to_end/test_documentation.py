"""Every command and every config that the documentation shows is run here."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlflow_azureml_backend.cli import main
from mlflow_azureml_backend.config import BackendConfig, read_backend_config

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "sample_project" / "README.md", *ROOT.glob("docs/**/*.md")]
CONFIGS = [*ROOT.glob("sample_project/*.json")]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)

# Placeholders and files of the reader's own -> what stands for them here. Commands that become
# the same are run once.
STAND_INS = {
    " . ": " sample_project ",
    " azureml.json": " sample_project/emulator.json",
    " emulator.json": " sample_project/emulator.json",
}


def blocks(language: str) -> list[str]:
    return [
        text
        for page in PAGES
        for name, text in BLOCK.findall(page.read_text(encoding="utf-8"))
        if name == language
    ]


def commands(program: str) -> list[str]:
    lines = [
        line.strip().removeprefix("$ ")
        for text in [*blocks("console"), *blocks("text")]
        for line in text.splitlines()
    ]
    found = {}
    for line in lines:
        shown = line
        for placeholder, stand_in in STAND_INS.items():
            shown = shown.replace(placeholder, stand_in)
        if shown.startswith(f"{program} "):
            found[shown] = None
    return list(found)


@pytest.mark.parametrize(
    "text", [*blocks("json"), *(path.read_text(encoding="utf-8") for path in CONFIGS)]
)
def test_every_config_is_valid(text):
    read_backend_config(json.loads(text))


def test_every_key_of_the_schema_is_documented():
    reference = (ROOT / "docs" / "reference" / "config.md").read_text(encoding="utf-8")

    assert [key for key in BackendConfig.model_fields if f"| `{key}` |" not in reference] == []


def test_every_command_that_is_documented_exists_and_every_one_that_exists_is_documented():
    reference = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    documented = set(
        re.findall(r"^\| `mlflow-azureml ((?:emulator )?[\w-]+)", reference, re.MULTILINE)
    )
    existing = {name for name in main.commands if name != "emulator"}
    existing |= {f"emulator {name}" for name in main.commands["emulator"].commands}

    assert documented == existing


@pytest.mark.parametrize(
    "command",
    [
        # The trials of the documented sweep take as long as all the others.
        pytest.param(
            command, marks=pytest.mark.campaign if "sweep" in command else pytest.mark.slow
        )
        for command in commands("mlflow")
    ],
)
def test_every_documented_run_completes(command, client, workspace_config, monkeypatch):
    from mlflow.cli import cli

    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(cli, shlex.split(command)[1:])

    assert result.exit_code == 0, result.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_documented_python_and_the_verbs_for_its_run_work(
    client, workspace_config, monkeypatch, capsys, tmp_path
):
    monkeypatch.chdir(ROOT)
    # What uses the pytest plugin is run as a test, in tests/pytest_plugin.
    programs = [text for text in blocks("python") if "azureml_emulator" not in text]
    [program] = [text for text in programs if "projects.run" in text]
    names: dict[str, object] = {}
    exec(program, names)

    assert "FINISHED" in capsys.readouterr().out
    for text in programs:
        if "attach(" in text or "get_status().lower()" in text:
            exec(text.replace("RUN_ID", names["run"].run_id), names)
    assert "it has ended" in capsys.readouterr().out
    for text in programs:
        if "list_runs" in text or "azureml.register(" in text:
            exec(text, {})
    verbs = commands("mlflow-azureml")
    assert verbs
    monkeypatch.chdir(tmp_path)  # some write into the working directory
    (tmp_path / "backend.json").write_text('{"COMPUTE": "cpu-cluster", "USE_CONDA": "True"}')
    for verb in verbs:
        shown = verb.replace("RUN_ID", names["run"].run_id)
        located = re.sub(r"(?<= )sample_project(?=[/ ]|$)", f"{ROOT}/sample_project", shown)
        arguments = shlex.split(located)[1:]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, (verb, result.output)

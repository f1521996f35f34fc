"""`schema`, `version`, `completion`, and what holds for every command."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import click
import jsonschema
import pytest
from click.testing import CliRunner

from mlflow_azureml_backend.cli import main
from mlflow_azureml_backend.cli.known_runs import complete_run
from mlflow_azureml_backend.cli.since import read_since

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "command-line.md"
OURS = [name for name in main.commands if name not in {"emulator", "plugin"}]
OF_RUNS = ["logs", "status", "wait", "cancel", "list", "show", "download", "open", "doctor"]


def call(*arguments: str):
    return CliRunner().invoke(main, list(arguments))


def test_the_command_lines_help_needs_no_heavy_package():
    heavy = ["mlflow", "azure", "rich", "pydantic", "starlette", "sqlalchemy"]
    program = (
        "import sys\nfrom mlflow_azureml_backend.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)

    assert answer.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", OURS)
def test_every_command_has_help_an_example_and_a_place_in_the_docs(name):
    command, page = main.commands[name], PAGE.read_text(encoding="utf-8")
    shown = call(name, "--help").output

    assert "Example: " in shown
    example = shlex.split(str(command.epilog).removeprefix("Example: "))
    if example[0] == "mlflow-azureml":
        arguments = example[2:][: example.index(">") - 2 if ">" in example else None]
        assert example[1] == name
        if name not in {"doctor", "migrate", "render"}:  # name a file
            command.make_context(name, arguments)
    options = {
        flag
        for option in command.params
        if isinstance(option, click.Option)
        for flag in option.opts
        if flag.startswith("--")
    }
    assert [flag for flag in sorted(options) if flag not in page] == []
    assert ("--json" in options) == (name not in {"completion", "run"})  # these print others' words


@pytest.mark.parametrize("name", OF_RUNS)
def test_every_verb_takes_a_store_and_a_workspace(name):
    options = {flag for option in main.commands[name].params for flag in option.opts}

    assert {"--tracking-uri", "--workspace", "-w", "--json"} <= options


def test_a_command_line_that_cannot_be_understood_ends_with_two():
    assert call("wait").exit_code == 2
    assert call("logs", "r", "--tail", "-1").exit_code == 2
    assert call("logs", "r", "--since", "yesterday").exit_code == 2
    assert call("no-such-verb").exit_code == 2


def test_ctrl_c_ends_with_130(monkeypatch):
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(main.commands, "endless", click.Command("endless", callback=interrupted))
    result = call("endless")

    assert (result.exit_code, result.stderr) == (130, "Interrupted.\n")


def test_the_schema_is_one_and_takes_what_the_backend_takes():
    schema = json.loads(call("schema").stdout)

    jsonschema.Draft202012Validator.check_schema(schema)
    assert {"$schema", "$id", "title"} <= set(schema)
    jsonschema.validate({"workspace": "emulator", "compute": "cpu-cluster"}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"workspace": "emulator", "computer": "x"}, schema)
    assert json.loads(call("schema", "--json").stdout) == schema


def test_the_versions_are_told():
    told = json.loads(call("version", "--json").stdout)

    assert told["python"] == sys.version.split()[0]
    assert re.match(r"\d+\.", told["mlflow"])
    assert told["mlflow"] in call("version").stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion(shell):
    assert "_MLFLOW_AZUREML_COMPLETE" in call("completion", shell).stdout


def completed(incomplete: str) -> list[str]:
    context = click.Context(main)
    return [item.value for item in complete_run(context, main.params[0], incomplete)]


def test_run_ids_and_job_names_of_a_local_store_are_completed(tmp_path, monkeypatch):
    store = tmp_path / "my store.db"
    with closing(sqlite3.connect(store)) as made, made:
        made.executescript(
            "CREATE TABLE runs (run_uuid, status, lifecycle_stage, start_time);"
            "CREATE TABLE tags (run_uuid, key, value);"
            "INSERT INTO runs VALUES ('abc1', 'FINISHED', 'active', 1),"
            " ('abd2', 'RUNNING', 'active', 2), ('abe3', 'RUNNING', 'deleted', 3),"
            " ('abf4', 'RUNNING', 'active', 4);"
            "INSERT INTO tags VALUES ('abc1', 'azureml.job_name', 'train_1'),"
            " ('abd2', 'azureml.job_name', 'train_2'), ('abe3', 'azureml.job_name', 'train_3');"
        )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}")

    assert completed("ab") == ["abd2", "abc1"]
    assert completed("train") == ["train_2", "train_1"]
    assert completed("") == ["latest", "abd2", "abc1"]
    assert completed("' OR 1=1") == []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://example.org")
    assert completed("") == ["latest"]


def test_the_store_that_mlflow_makes_has_those_tables(tmp_path, monkeypatch):
    from mlflow.store.tracking.dbmodels.models import SqlRun, SqlTag

    columns = {column.name for column in SqlRun.__table__.columns}
    assert {"run_uuid", "status", "lifecycle_stage", "start_time"} <= columns
    assert SqlRun.__tablename__ == "runs"
    assert {"run_uuid", "key", "value"} <= {column.name for column in SqlTag.__table__.columns}
    assert SqlTag.__tablename__ == "tags"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172_800), ("0.5h", 1800)],
)
def test_a_moment_is_so_long_ago(text, seconds):
    from datetime import datetime, timezone

    context = click.Context(main)
    found = read_since(context, main.params[0], text)
    assert (datetime.now(timezone.utc) - found).total_seconds() == pytest.approx(seconds, abs=5)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00+00:00"),
        ("2026-11-22T10:00:00+02:00", "2026-11-22T10:00:00+02:00"),
    ],
)
def test_a_moment_is_a_time(text, written):
    context = click.Context(main)
    assert read_since(context, main.params[0], text).isoformat() == written
    assert read_since(context, main.params[0], "2026-11-22").tzinfo is not None

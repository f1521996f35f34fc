"""A script, a notebook or a shell logs to a workspace through the real azureml-mlflow."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlflow_azureml_backend import set_tracking
from mlflow_azureml_backend.cli import main
from mlflow_azureml_backend.cli.tracking import exports
from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.translate.plugin_on_client import what_plugin_lacks
from mlflow_azureml_backend.translate.plugin_releases import packaged_releases
from tests.plugin_environment import run_in_it

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "tracking-from-a-script.md"
SHELL_PROGRAM = """
import json, mlflow
with mlflow.start_run() as run:
    mlflow.log_metric("loss", 0.5)
print(json.dumps([run.info.run_id, mlflow.get_tracking_uri()]))
"""
NASTY = "a b'c\"d$HOME`id`\\\\ é;e"


def call(*arguments: str):
    return CliRunner().invoke(main, list(arguments))


@pytest.mark.timeout(900)
def test_a_documented_script_logs_to_the_workspace(
    plugin_python, emulator, emulator_root, tmp_path
):
    [program] = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    file = tmp_path / "script.py"
    file.write_text(program)
    last = run_in_it(
        plugin_python,
        file,
        PYTHONPATH=str(ROOT),
        MLFLOW_AZUREML_EMULATOR_ROOT=str(emulator_root),
    )

    name, loss, image = last.rsplit(" ", 2)
    assert (name, float(loss)) == ("alpha 0.1", pytest.approx(0.01))
    assert Path(image).read_bytes().startswith(b"\x89PNG")


@pytest.mark.timeout(900)
def test_a_shell_lets_programs_log_to_the_workspace(
    plugin_python, emulator, emulator_root, tmp_path
):
    file = tmp_path / "program.py"
    file.write_text(SHELL_PROGRAM)
    print_env = shlex.join([sys.executable, "-m", "mlflow_azureml_backend.cli", "env", "emulator"])
    done = subprocess.run(
        ["sh", "-c", f'eval "$(PYTHONPATH={ROOT} {print_env})" && exec {plugin_python} {file}'],
        env={
            "PATH": os.environ["PATH"],
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_AZUREML_EMULATOR_ROOT": str(emulator_root),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    run_id, uri = json.loads(done.stdout.splitlines()[-1])
    assert uri == call("tracking-uri", "emulator").stdout.strip()
    [told] = json.loads(call("compare", f"{uri}#{run_id}", "--json").stdout)["runs"]
    assert told["metrics"] == {"loss": 0.5}


def test_a_workspace_is_named_as_its_three_names_and_told_as_a_uri(workspace, signed_in):
    triple = "/".join(workspace.arm_id.split("/")[index] for index in (2, 4, 8))
    told = call("tracking-uri", triple)

    uri = f"azureml://eastus.api.azureml.ms/mlflow/v1.0{workspace.arm_id}"
    assert told.stdout == f"{uri}\n"
    assert json.loads(call("env", workspace.arm_id, "--json").stdout) == {
        "MLFLOW_TRACKING_URI": uri
    }, "to a workspace in Azure clients find their way themselves"
    assert "export AZUREML_ARM_WORKSPACE_NAME=emulator" in call("env").stdout.splitlines()


def test_without_azureml_mlflow_the_message_says_what_to_install(emulator):
    with pytest.raises(TrackingError, match=r"pip install 'mlflow<=3.* azureml-mlflow==1"):
        set_tracking("emulator")


@pytest.mark.parametrize(
    ("installed", "mlflow", "python", "part"),
    [
        (None, "3.9.0", "3.11.4", "Made for MLflow 3.9.0: 1.62"),
        (None, "2.9.2", "3.10.1", "pip install azureml-mlflow==1."),
        (None, "3.17.2", "3.11.4", "pip install --no-deps azureml-mlflow==1.62"),
        (None, "3.9.0", "3.2.1", "No release of it can be installed in Python 3.2.1"),
        ("1.60.0", "3.1.0", "3.11.4", "1.60.0 fails with MLflow 3.1.0"),
        ("1.60.0", "2.22.0", "3.11.4", None),
        ("1.62.0.post6", "3.17.2", "3.11.4", None),
        ("99.0", "3.17.2", "3.11.4", None),
    ],
)
def test_what_to_install_depends_on_mlflow_and_python(installed, mlflow, python, part):
    told = what_plugin_lacks(installed, mlflow=mlflow, python=python, releases=packaged_releases())

    assert (told is None) if part is None else (part in (told or ""))


@pytest.mark.parametrize("shell", ["sh", "fish", "powershell"])
def test_a_value_stays_what_it_is_in_each_shell(shell):
    program = shutil.which({"powershell": "pwsh"}.get(shell, shell))
    if program is None:
        pytest.skip(f"there is no {shell} here")
    [line] = exports({"VALUE": NASTY}, shell)
    done = subprocess.run(
        [program, "-c", f'{line}\n"{sys.executable}" -c "import os; print(os.environ[\'VALUE\'])"'],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == f"{NASTY}\n"


def test_words_for_other_shells():
    variables = {"A": "it's 1"}

    assert exports(variables, "fish") == [r"set -gx A 'it\'s 1'"]
    assert exports(variables, "powershell") == ["$env:A = 'it''s 1'"]
    assert exports(variables, "cmd") == ['set "A=it\'s 1"']

"""What the pages on faults and on testing projects show is run here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from mlflow_azureml_backend.emulator.faults.fault import EFFECTS, Fault
from mlflow_azureml_backend.emulator.faults.parsing import parse_fault, parse_faults
from mlflow_azureml_backend.pytest_plugin import AzureMLEmulator

DOCS = Path(__file__).parents[2] / "docs"
FAULTS = (DOCS / "emulator-faults.md").read_text(encoding="utf-8")
TESTING = (DOCS / "testing-your-projects.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(page) if name == language]


def test_the_file_of_faults_is_valid() -> None:
    [text] = blocks(FAULTS, "yaml")
    assert len(parse_faults(yaml.safe_load(text))) == 4


@pytest.mark.parametrize("effect", EFFECTS)
def test_every_effect_is_documented_with_an_example_that_is_valid(effect: str) -> None:
    examples = re.findall(rf"`({effect}: [^`]+)`", FAULTS)
    assert examples
    for example in examples:
        parse_fault(yaml.safe_load(f"{{{example}}}"))


def test_every_option_and_key_of_a_fault_is_documented() -> None:
    options = {name for kind in EFFECTS.values() for name in kind.options}
    keys = set(Fault.__dataclass_fields__) - {"effect", "value", "options"}
    assert [name for name in options | keys if f"`{name}" not in FAULTS] == []


def test_every_member_of_the_fixture_is_documented() -> None:
    members = {name for name in vars(AzureMLEmulator) if not name.startswith("_")}
    assert [name for name in members if f"`{name}" not in TESTING] == []


def test_the_workflow_is_valid_yaml() -> None:
    [text] = blocks(TESTING, "yaml")
    assert (
        "pytest --azureml-emulator-root" in yaml.safe_load(text)["jobs"]["test"]["steps"][-1]["run"]
    )


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_the_example_passes(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.delenv("MLFLOW_AZUREML_EMULATOR_ROOT")
    [program] = blocks(TESTING, "python")
    pytester.makepyfile(test_project=program)
    (pytester.path / "MLproject").write_text(
        "name: sample\nentry_points: {main: {command: 'echo trained'}}\n"
    )
    # Below the project, where pytester puts it, the emulator's own files would be uploaded.
    root = f"--azureml-emulator-root={tmp_path_factory.mktemp('root')}"
    result = pytester.runpytest_subprocess("--azureml-runtime=host", root, "-W", "ignore")
    result.assert_outcomes(passed=2)

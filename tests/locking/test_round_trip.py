"""From the environment file to the packages that a job has: lock, run, edit, check, update, run."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner

from mlflow_azureml_backend.cli import main
from mlflow_azureml_backend.emulator import lifecycle
from tests.end_to_end.conftest import client, mlflow_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.locking.conftest import Index, Project

__all__ = ["client", "mlflow_run"]  # fixtures

# An emulator, three solves and two environments, on a machine that may do other things as well.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "lock.md"
SHOW = """
import importlib.metadata, json, os, pathlib, sysconfig
folder = pathlib.Path(os.environ["CONDA_PREFIX"], "conda-meta")
conda = [json.loads(file.read_text()) for file in folder.glob("*.json")]
pip = importlib.metadata.distributions(path=[sysconfig.get_path("purelib")])
print(json.dumps({
    "conda": sorted(f"{each['name']}={each['version']}={each['build']}" for each in conda),
    "pip": sorted(f"{each.name} == {each.version}" for each in pip if each.name != "pip"),
}))
"""


@pytest.fixture
def conda_workspace(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """Start an emulator that builds conda environments, with no index but the one on loopback."""
    monkeypatch.setenv("PIP_INDEX_URL", index.url)
    root = tmp_path / "root"
    monkeypatch.setenv("MLFLOW_AZUREML_EMULATOR_ROOT", str(root))
    lifecycle.start(root, runtime="conda", dwell_seconds=0, idle_seconds=3600)
    yield {"workspace": "emulator", "compute": "cpu-cluster", "inject": "never"}
    lifecycle.stop(root)


def command(ending: str) -> list[str]:
    """Give a command of the page."""
    [found] = re.findall(rf"^mlflow-azureml (lock \.{ending})$", PAGE.read_text(), re.MULTILINE)
    return shlex.split(found)


def test_a_job_gets_what_was_locked_until_the_lock_is_updated(
    project: Project,
    channel: Any,
    index: Index,
    conda_workspace: dict[str, Any],
    mlflow_run: Callable[..., Any],
    client: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index.add("low", "1.0")
    index.add("top", "3.1", "low")
    (project.root / "show.py").write_text(SHOW)
    config = tmp_path / "backend.json"

    def write(greeting: str) -> None:
        project.write("python", greeting, {"pip": ["top"]}, channels=[channel.url])

    def run(lock: object = "check") -> Any:
        config.write_text(json.dumps({**conda_workspace, "lock": lock}))
        return mlflow_run(str(project.root), "--backend-config", str(config))

    def lock(*words: str) -> Any:
        monkeypatch.chdir(project.root)
        answer = CliRunner().invoke(main, [*words, "--backend-config", str(config)])
        monkeypatch.chdir(tmp_path)
        return answer

    def installed(result: Any) -> dict[str, list[str]]:
        assert result.exit_code == 0, result.stderr
        return dict(json.loads(result.stdout.splitlines()[-1]))

    write("greeting<2")
    first = installed(run(lock=True))
    assert "greeting=1.5=0" in first["conda"]
    assert first["pip"] == ["low == 1.0", "top == 3.1"]
    assert first == packages_of(project)

    # Newer packages change nothing, not even with `true`.
    index.add("low", "1.9")
    assert installed(run(lock=True)) == first

    write("greeting")
    stale = run()
    assert stale.exit_code == 1
    assert "is stale: the environment has changed (greeting<2 → greeting)" in stale.stderr
    assert lock(*command(" --check")).exit_code == 1
    update = lock(*command(""))
    assert update.exit_code == 0, update.output
    assert "greeting 1.5=0 → 2.0=0 (conda)\nlow 1.0 → 1.9 (pip)\n" in update.output
    assert lock(*command(" --check")).exit_code == 0

    second = installed(run())
    assert "greeting=2.0=0" in second["conda"]
    assert second["pip"] == ["low == 1.9", "top == 3.1"]
    assert second == packages_of(project)

    experiment = client.get_experiment_by_name("sample").experiment_id
    newest, *_, oldest = client.search_runs([experiment])
    assert len(client.search_runs([experiment])) == 3  # none of the run whose lock was stale
    digest = hashlib.sha256(project.lock.read_bytes()).hexdigest()
    assert newest.data.tags["azureml.environment_lock"] == digest
    assert oldest.data.tags["azureml.environment_lock"] != digest
    file = client.download_artifacts(newest.info.run_id, "azureml/environment.lock.yml")
    text = Path(file).read_text(encoding="utf-8")
    assert digest in text
    *conda, pip = yaml.safe_load(text)["dependencies"]
    assert conda == second["conda"]
    assert [line.split(" --hash=sha256:")[0] for line in pip["pip"]] == second["pip"]


def packages_of(project: Project) -> dict[str, list[str]]:
    """Read a lock as conda-lock's format has it, without this package's help."""
    document = yaml.safe_load(project.lock.read_text(encoding="utf-8"))
    return {
        "conda": [
            f"{each['name']}={each['version']}=0"
            for each in document["package"]
            if each["manager"] == "conda"
        ],
        "pip": [
            f"{each['name']} == {each['version']}"
            for each in document["package"]
            if each["manager"] == "pip"
        ],
    }

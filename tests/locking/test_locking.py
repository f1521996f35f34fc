"""A lock is made of a real solve, read by the real conda-lock, and kept until it no longer fits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner, Result

from mlflow_azureml_backend.cli import main
from mlflow_azureml_backend.config.schema import LockConfig
from mlflow_azureml_backend.errors import LockError
from mlflow_azureml_backend.job import BuildSpec, EnvironmentSpec
from mlflow_azureml_backend.locking import programs
from mlflow_azureml_backend.locking.conda_solver import find_solver
from mlflow_azureml_backend.locking.environment_lock import lock_environment

if TYPE_CHECKING:
    from tests.locking.conftest import Index, Project

NEVER = '{"inject": "never"}'


def lock(project: Project, *arguments: str, config: str = NEVER) -> Result:
    return CliRunner().invoke(main, ["lock", str(project.root), "-c", config, *arguments])


def locked(project: Project, **config: Any) -> tuple[dict[str, Any], list[str]]:
    content = yaml.safe_load((project.root / "conda.yaml").read_text())
    notes: list[str] = []
    spec = EnvironmentSpec(image="i", conda_file=content, origin="conda.yaml")
    found = lock_environment(spec, LockConfig(**config), project.root, note=notes.append)
    return dict(found.spec.conda_file or {}), notes


def test_a_lock_pins_every_package_and_conda_lock_itself_reads_it(
    project: Project, channel: Any, index: Index, tmp_path: Path
) -> None:
    # What is printed of them below is what Azure ML gets.
    index.add("low", "1.0")
    low = index.add("low", "1.5")
    index.add("low", "2.0")
    top = index.add("top", "3.1", "low<2", "greeting")
    greeting = index.add("greeting", "1.5")
    index.add("greeting", "9.9")
    project.write(
        *("python", "greeting <2"),
        {"pip": [f"--extra-index-url {index.url}", "top"]},
        channels=[channel.url],
        name="mine",
        variables={"A": "b"},
    )

    content, notes = locked(project)

    python, pip = ("{}.{}.{}".format(*sys.version_info), content["dependencies"][1].split("=")[1])
    assert content == {
        "name": "mine",
        "variables": {"A": "b"},
        "channels": [channel.url],
        "dependencies": [
            "greeting=1.5=0",
            f"pip={pip}=0",
            f"python={python}=0",
            {
                "pip": [
                    f"--extra-index-url {index.url}",
                    # Conda's version is kept where pip may have it.
                    f"greeting == 1.5 --hash=sha256:{greeting}",
                    f"low == 1.5 --hash=sha256:{low}",
                    f"top == 3.1 --hash=sha256:{top}",
                ]
            },
        ],
    }
    assert notes == [
        "Lock         made: there is none yet",
        f"Lock         {project.lock} (6 packages, solved with rattler)",
    ]
    command = [sys.executable, "-m", "conda_lock", "render", "--kind", "env", "-p", "linux-64"]
    subprocess.run([*command, str(project.lock)], check=True, cwd=tmp_path, capture_output=True)
    rendered = yaml.safe_load((tmp_path / "conda-linux-64.lock.yml").read_text())
    del content["name"], content["variables"], content["dependencies"][3]["pip"][0]
    assert rendered == content

    again, notes = locked(project, check=True)

    assert again["dependencies"][:3] == content["dependencies"][:3]
    assert notes == [f"Lock         {project.lock} fits"]


@pytest.mark.slow
def test_what_cannot_be_solved_is_told_in_the_solver_s_words_and_nothing_is_written(
    project: Project, channel: Any, index: Index
) -> None:
    index.add("top", "3.1", "low<2")
    index.add("low", "2.0")
    elsewhere = "--extra-index-url http://me:pw@127.0.0.1:9/u"
    mine, none = channel.url, f"{channel.url}/none"
    for channels, dependencies, expected in (
        ([mine], ("python=2.7", "greeting"), "No candidates were found for python 2.7.*"),
        (
            [mine],
            ("python", {"pip": ["top"]}),
            "Because only low==2.0 is available and all versions of top depend on low<2",
        ),
        ([mine], ("python", {"pip": [elsewhere, "top", "none-such"]}), "127.0.0.1:9/u/"),
        ([mine], ("python", {"pip": ["nobody"]}), "needs a line `--extra-index-url URL`"),
        ([mine, none], ("python",), none),
    ):
        project.write(*dependencies, channels=channels)
        result = lock(project)

        assert result.exit_code == 1
        assert expected in " ".join(result.output.split())
        assert "Error: conda.yaml: the " in result.output
        assert "Traceback" not in result.output
        assert "pw" not in result.output
        assert len(result.output.splitlines()) < 16
    assert not project.lock.exists()


@pytest.mark.slow
def test_a_lock_that_no_longer_fits_says_what_changed_and_is_updated(
    project: Project, channel: Any, index: Index
) -> None:
    project.write("python", "greeting=1.0", channels=[channel.url])
    assert "There is no lock file" in lock(project, "--check").output
    made = lock(project)
    assert made.exit_code == 0, made.output
    assert made.output == f"Written: {project.lock} (2 packages, solved with rattler)\n"
    fits = lock(project, "--check")
    assert (fits.exit_code, fits.output) == (0, f"{project.lock} fits.\n")

    project.write("python", "greeting=2.0", channels=[channel.url])

    stale = lock(project, "--check")
    assert stale.exit_code == 1
    assert "is stale: the environment has changed (greeting=1.0 → greeting=2.0)" in stale.output
    assert f"mlflow-azureml lock '{project.root}'" in stale.output
    with pytest.raises(LockError, match="is stale"):
        locked(project, check=True)
    content, notes = locked(project)
    assert "greeting=2.0=0" in content["dependencies"]
    assert notes[0] == (
        "Lock         made anew: the environment has changed (greeting=1.0 → greeting=2.0)"
    )


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"reference": "azureml:e:1"}, "azureml:e:1 is built already"),
        ({"image": "i"}, "the image i runs as it is"),
        ({"build": BuildSpec(dockerfile="FROM x")}, "a Dockerfile installs what it says"),
    ],
)
def test_an_environment_with_nothing_to_lock_is_refused(
    tmp_path: Path, spec: dict[str, Any], expected: str
) -> None:
    with pytest.raises(LockError, match="there is nothing to lock") as refused:
        lock_environment(
            EnvironmentSpec(origin="o", **spec), LockConfig(), tmp_path, note=lambda _: None
        )
    assert expected in str(refused.value)


def test_a_fetched_project_is_locked_where_it_is_written(tmp_path: Path) -> None:
    spec = EnvironmentSpec(image="i", conda_file={"dependencies": ["a"]}, origin="conda.yaml")

    with pytest.raises(LockError, match="There is no lock file") as refused:
        lock_environment(spec, LockConfig(check=True), tmp_path, note=lambda _: None, fetched=True)

    assert "run `mlflow-azureml lock` where the project is written" in str(refused.value)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("none.json", "none.json: No such file or directory"),
        ("{", "is not JSON"),
        ("[]", "must be an object"),
        ('{"lock": "chek"}', "lock: must be true, false, 'check' or an object, got 'chek'"),
        ('{"environment": "azureml:e:1"}', "azureml:e:1 is built already"),
    ],
)
def test_a_config_that_cannot_be_used_is_one_line(
    project: Project, config: str, expected: str
) -> None:
    project.write("python", channels=["c"])

    result = lock(project, config=config)

    assert result.exit_code == 1
    assert expected in result.output
    assert len(result.output.splitlines()) == 1


def test_the_solver_is_found_without_running_anything(tmp_path: Path) -> None:
    program = tmp_path / "conda"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o700)

    assert find_solver({"PATH": str(tmp_path)}).program == str(program)
    assert find_solver({"PATH": "", "CONDA_EXE": str(program)}).name == "conda"
    assert find_solver({"PATH": "", "CONDA_EXE": str(tmp_path / "gone")}).name == "rattler"
    for name in ("mamba", "micromamba"):
        (tmp_path / name).symlink_to(program)
        assert find_solver({"PATH": str(tmp_path)}).name == name


def test_a_solver_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    script = f"sleep 100 & echo $! > '{marker}'; wait"

    with pytest.raises(LockError, match="did not come to an end in 1 s"):
        programs.run(["bash", "-c", script], folder=tmp_path, environ=os.environ, seconds=1)

    status = Path(f"/proc/{marker.read_text().strip()}/status")
    assert not status.exists() or "Z (zombie)" in status.read_text()


@pytest.mark.slow
def test_what_mamba_says_as_json_is_told_as_text(
    project: Project, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "micromamba"
    program.parent.mkdir()
    answer = '{"solver_problems": ["nothing provides a", "b conflicts"], "success": false}'
    program.write_text(
        f"#!/bin/sh\ncase $1 in --version) echo 2.0.0;; *) echo '{answer}'; exit 1;; esac\n"
    )
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    project.write("a", "b", channels=["https://me:pw@conda.example/c"])

    result = lock(project)

    assert result.output == (
        "Error: conda.yaml: the conda packages cannot be locked for linux-64 (channels "
        "https://conda.example/c; solved with micromamba):\n"
        "  nothing provides a\n  b conflicts\n"
        "Change the pins in the project's environment, or the channels.\n"
    )

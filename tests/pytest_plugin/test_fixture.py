"""The pytest plugin, used as a user of this package uses it: in a project of their own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

MLPROJECT = """
name: greeting
entry_points:
  main:
    parameters:
      name: {type: string, default: you}
    command: "python greet.py {name}"
"""
GREET = """
import sys
print("hello", sys.argv[1])
sys.exit(3 if sys.argv[1] == "nobody" else 0)
"""
TESTS = """
import mlflow
import pytest
from mlflow.exceptions import ExecutionException


@pytest.fixture(autouse=True)
def store(tmp_path):
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")


def run(emulator, **options):
    return mlflow.projects.run(
        "project", backend="azureml", backend_config=emulator.backend_config, **options
    )


def test_it_greets_although_the_service_is_throttled(azureml_emulator, capsys):
    azureml_emulator.faults.add(route="GET */details", status=429, retry_after=0, count=2)
    submitted = run(azureml_emulator, parameters={"name": "world"})
    assert submitted.get_status() == "FINISHED"
    assert capsys.readouterr().out == "hello world\\n"
    seen = [entry.status for entry in azureml_emulator.journal() if entry.faults]
    assert seen == [429, 429]
    assert azureml_emulator.faults.list()[0]["struck"] == 2


def test_it_fails_for_nobody(azureml_emulator):
    with pytest.raises(ExecutionException, match="failed"):
        run(azureml_emulator, parameters={"name": "nobody"})


def test_its_course_can_be_stepped_through(azureml_emulator):
    azureml_emulator.hold()
    submitted = run(azureml_emulator, synchronous=False)
    assert azureml_emulator.advance(submitted.job_name, to="Queued") == "Queued"
    assert submitted.get_status() == "SCHEDULED"
    assert azureml_emulator.advance(submitted.job_name, to="Running") == "Running"
    assert submitted.get_status() == "RUNNING"
    azureml_emulator.release()
    assert submitted.wait()


def test_a_workspace_belongs_to_one_test(azureml_emulator):
    assert azureml_emulator.journal() == []
    assert azureml_emulator.faults.list() == []


def test_other_clients_of_azure_use_it_too(azureml_emulator):
    client = azureml_emulator.ml_client()
    assert client.compute.get(azureml_emulator.compute).name == "cpu-cluster"
    assert [entry.path.rpartition("/")[2] for entry in azureml_emulator.journal()] == [
        "cpu-cluster"
    ]
"""


@pytest.fixture
def user(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Give the folder of a user with an MLproject and nothing else."""
    monkeypatch.delenv("MLFLOW_AZUREML_EMULATOR_ROOT")
    project = pytester.mkdir("project")
    (project / "MLproject").write_text(MLPROJECT)
    (project / "greet.py").write_text(GREET)
    return pytester


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "emulator"


@pytest.mark.campaign
@pytest.mark.timeout(600)
def test_a_user_tests_a_project_offline(user: pytest.Pytester, root: Path) -> None:
    user.makepyfile(TESTS)
    result = user.runpytest_subprocess("--azureml-runtime=host", f"--azureml-emulator-root={root}")
    result.assert_outcomes(passed=5)
    # The last one to use the emulator has stopped it.
    assert not (root / "endpoint.json").exists()
    assert (root / "journal.db").exists()


def test_workers_of_xdist_share_one_emulator(user: pytest.Pytester, root: Path) -> None:
    user.makepyfile(
        """
        import os
        from pathlib import Path

        import pytest

        @pytest.mark.parametrize("number", range(6))
        def test_it(azureml_emulator, number):
            seen = Path("seen") / os.environ["PYTEST_XDIST_WORKER"]
            seen.parent.mkdir(exist_ok=True)
            seen.write_text(str(azureml_emulator.endpoint.pid))
            assert azureml_emulator.journal() == azureml_emulator.journal()
        """
    )
    result = user.runpytest_subprocess("-n", "2", "--dist=each", "--azureml-runtime=host")
    result.assert_outcomes(passed=12)
    seen = [file.read_text() for file in (user.path / "seen").iterdir()]
    assert len(seen) == 2
    assert len(set(seen)) == 1


def test_the_runtime_and_the_folder_can_stand_in_the_ini_file(user: pytest.Pytester) -> None:
    user.makeini("[pytest]\nazureml_runtime = host\nazureml_emulator_root = kept\n")
    user.makepyfile(
        """
        from mlflow_azureml_backend.emulator.lifecycle import status

        def test_settings(azureml_emulator, pytestconfig):
            facts = status(azureml_emulator.endpoint)
            assert facts["runtime"] == "host"
            assert facts["root"] == str(pytestconfig.rootpath / "kept")
            assert azureml_emulator.environ["AZUREML_ARM_WORKSPACE_NAME"].startswith("test-")
        """
    )
    user.runpytest_subprocess().assert_outcomes(passed=1)


def test_jobs_run_in_environments_of_their_own_unless_told_otherwise(
    user: pytest.Pytester,
) -> None:
    user.makepyfile(
        """
        from mlflow_azureml_backend.emulator.lifecycle import status

        def test_settings(azureml_emulator):
            assert status(azureml_emulator.endpoint)["runtime"] == "venv"
        """
    )
    user.runpytest_subprocess().assert_outcomes(passed=1)


def test_without_the_extra_the_fixture_says_what_to_install(user: pytest.Pytester) -> None:
    user.makeconftest(
        """
        import importlib.util

        find = importlib.util.find_spec
        hidden = {"uvicorn", "starlette"}
        importlib.util.find_spec = lambda name, *rest: None if name in hidden else find(name, *rest)
        """
    )
    user.makepyfile("def test_it(azureml_emulator): pass")
    result = user.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            (
                "The emulator needs packages that are not installed (starlette, uvicorn): "
                "pip install 'mlflow-azureml-backend[[]emulator[]]'"
            )
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_a_wrong_fault_is_one_clear_error(azureml_emulator) -> None:
    from mlflow_azureml_backend.emulator.administration import EmulatorError

    with pytest.raises(EmulatorError, match=r"there is no key 'stats'\. Did you mean 'status'\?"):
        azureml_emulator.faults.add(stats=429)


def test_who_does_not_use_the_plugin_does_not_pay_for_it() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); "
        "import mlflow_azureml_backend.pytest_plugin; "
        "print(*(name for name in set(sys.modules) - before "
        "if name.partition('.')[0] not in sys.stdlib_module_names))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert sorted(loaded) == ["mlflow_azureml_backend", "mlflow_azureml_backend.pytest_plugin"]


def test_importing_mlflow_does_not_load_the_plugin() -> None:
    program = "import sys, mlflow; print('mlflow_azureml_backend.pytest_plugin' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"

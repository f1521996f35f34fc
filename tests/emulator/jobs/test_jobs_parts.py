"""The parts of the job engine, each for itself."""

from __future__ import annotations

import io
import os
import signal
import threading
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import pytest

from mlflow_azureml_backend.emulator.jobs.duration import parse_duration
from mlflow_azureml_backend.emulator.jobs.expressions import resolve
from mlflow_azureml_backend.emulator.jobs.failure import JobFailure, tail_of
from mlflow_azureml_backend.emulator.jobs.interrupt import Interrupt
from mlflow_azureml_backend.emulator.jobs.job_environment import (
    Node,
    RunIdentity,
    job_environment,
)
from mlflow_azureml_backend.emulator.jobs.nodes import Demand, Nodes
from mlflow_azureml_backend.emulator.jobs.process import JobProcess
from mlflow_azureml_backend.emulator.jobs.status import COURSE, RUN_STATUS, TERMINAL, JobStatus
from mlflow_azureml_backend.emulator.resources import EMULATOR_WORKSPACE
from mlflow_azureml_backend.emulator.runtimes import (
    BuildError,
    EnvironmentSpec,
    runtime_named,
)
from mlflow_azureml_backend.emulator.runtimes.uv import uv_environment, without_credentials
from mlflow_azureml_backend.emulator.runtimes.venv import VenvRuntime

SECONDS = 30.0


def test_every_status_has_a_status_in_mlflow_and_only_ended_jobs_have_ended_runs() -> None:
    ended = {
        status for status in JobStatus if RUN_STATUS[status] in {"FINISHED", "FAILED", "KILLED"}
    }

    assert ended == TERMINAL
    assert JobStatus("Canceled").run_status == "KILLED"


def test_statuses_only_go_forward() -> None:
    for earlier, later in pairwise(COURSE):
        assert earlier.precedes(later)
        assert not later.precedes(earlier)
    assert JobStatus.RUNNING.precedes(JobStatus.CANCEL_REQUESTED)
    assert JobStatus.CANCEL_REQUESTED.precedes(JobStatus.CANCELED)
    assert not JobStatus.CANCEL_REQUESTED.precedes(JobStatus.FINALIZING)
    assert not JobStatus.CANCELED.precedes(JobStatus.COMPLETED)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PT30S", timedelta(seconds=30)),
        ("PT1H30M", timedelta(hours=1, minutes=30)),
        ("P1DT2H", timedelta(days=1, hours=2)),
        ("P2W", timedelta(weeks=2)),
        ("PT0.5S", timedelta(seconds=0.5)),
    ],
)
def test_durations_are_read_as_iso_8601(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "P", "PT", "30", "P1Y", "P1M", "1h", "pt1s"])
def test_what_is_no_fixed_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an ISO 8601 duration"):
        parse_duration(text)


def test_expressions_are_replaced_as_they_are_and_once() -> None:
    values = {"inputs.a": "${{inputs.b}} $HOME", "inputs.b": "secret", "search_space.lr": "0.1"}

    command = resolve("run ${{inputs.a}} ${{ search_space.lr }} {x} ${y}", values)

    assert command == "run ${{inputs.b}} $HOME 0.1 {x} ${y}"


def test_an_expression_without_a_value_says_what_there_is() -> None:
    with pytest.raises(JobFailure, match=r"\$\{\{inputs.x\}\}.*Defined: inputs.a, outputs.b\."):
        resolve("echo ${{inputs.x}}", {"outputs.b": "", "inputs.a": ""})


def test_the_tail_of_a_long_log_begins_with_a_whole_line() -> None:
    tail = tail_of("".join(f"line {number}\n" for number in range(1000)))

    assert len(tail) <= 2000
    assert tail.startswith("line ")
    assert tail.endswith("line 999")


def run_identity(identity: str | None = None) -> RunIdentity:
    return RunIdentity(
        workspace=EMULATOR_WORKSPACE,
        region="westeurope",
        run_id="green_root_1",
        root_run_id="green_root_1",
        experiment_id="7",
        experiment_name="my experiment",
        token="a.b.c",
        token_expiry=datetime(2030, 1, 1, tzinfo=timezone.utc),
        identity=identity,
        address="http://127.0.0.1:1234",
    )


def test_a_job_gets_the_service_s_variables_in_the_service_s_form() -> None:
    node = Node(
        bin=Path("/env/bin"),
        home=Path("/job/home"),
        temporary=Path("/job/tmp"),
        proxy="http://127.0.0.1:1234",
        ca_bundle=Path("/state/ca.pem"),
    )

    variables = job_environment(
        run_identity(),
        node,
        interpreter={"VIRTUAL_ENV": "/env"},
        bindings={"AZURE_ML_INPUT_data": "/job/inputs/data"},
        user={"HOME": "/mine", "AZURE_ML_INPUT_data": "other"},
    )

    arm_id = EMULATOR_WORKSPACE.arm_id
    assert variables == {
        "PATH": "/env/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/mine",
        "TMPDIR": "/job/tmp",
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "VIRTUAL_ENV": "/env",
        "HTTPS_PROXY": "http://127.0.0.1:1234",
        "https_proxy": "http://127.0.0.1:1234",
        "NO_PROXY": "localhost,127.0.0.1,::1",
        "no_proxy": "localhost,127.0.0.1,::1",
        "REQUESTS_CA_BUNDLE": "/state/ca.pem",
        "SSL_CERT_FILE": "/state/ca.pem",
        "CURL_CA_BUNDLE": "/state/ca.pem",
        "MLFLOW_TRACKING_URI": f"azureml://westeurope.api.azureml.ms/mlflow/v1.0{arm_id}",
        "MLFLOW_TRACKING_TOKEN": "a.b.c",
        "MLFLOW_RUN_ID": "green_root_1",
        "MLFLOW_EXPERIMENT_ID": "7",
        "MLFLOW_EXPERIMENT_NAME": "my experiment",
        "AZUREML_RUN_ID": "green_root_1",
        "AZUREML_ROOT_RUN_ID": "green_root_1",
        "AZUREML_RUN_TOKEN": "a.b.c",
        "AZUREML_RUN_TOKEN_EXPIRY": "1893456000",
        "AZUREML_EXPERIMENT_ID": "7",
        "AZUREML_ARM_SUBSCRIPTION": "00000000-0000-0000-0000-000000000000",
        "AZUREML_ARM_RESOURCEGROUP": "emulator",
        "AZUREML_ARM_WORKSPACE_NAME": "emulator",
        "AZUREML_ARM_PROJECT_NAME": "my experiment",
        "AZUREML_SERVICE_ENDPOINT": "https://westeurope.api.azureml.ms",
        "AZUREML_DISCOVERY_SERVICE_ENDPOINT": "https://westeurope.api.azureml.ms/discovery",
        "AZURE_ML_INPUT_data": "other",
        "MSI_ENDPOINT": "http://127.0.0.1:1234/_emulator/identity/msi/token",
        "MSI_SECRET": "a.b.c",
    }


@pytest.mark.parametrize(
    ("identity", "places"),
    [
        (None, {"MSI_ENDPOINT"}),
        ("Managed", {"MSI_ENDPOINT"}),
        ("UserIdentity", {"MSI_ENDPOINT", "OBO_ENDPOINT"}),
        ("AMLToken", set()),
    ],
)
def test_a_job_gets_tokens_for_other_services_by_its_identity(
    tmp_path: Path, identity: str | None, places: set[str]
) -> None:
    node = Node(bin=tmp_path, home=tmp_path, temporary=tmp_path, proxy="", ca_bundle=tmp_path)
    variables = job_environment(run_identity(identity), node, interpreter={}, bindings={}, user={})
    assert {name for name in variables if name.endswith("_ENDPOINT")} - {
        "AZUREML_SERVICE_ENDPOINT",
        "AZUREML_DISCOVERY_SERVICE_ENDPOINT",
    } == places


@pytest.fixture
def interrupt() -> Interrupt:
    return Interrupt()


def start(folder: Path, command: str) -> JobProcess:
    environment = {"PATH": os.environ["PATH"]}
    log = folder / "log"
    argv = ("bash", "-c", command)
    return JobProcess.start(folder, argv, directory=folder, environment=environment, log=log)


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ready")
    process = start(tmp_path, "trap '' TERM; echo > ready; while true; do sleep 1000; done")
    (tmp_path / "ready").read_text()

    process.stop(grace_seconds=0.1)

    assert not process.is_alive
    assert process.exit_code is None
    process.close()


def test_a_process_killed_from_outside_leaves_no_status_code(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ready")
    process = start(tmp_path, "echo > ready; sleep 1000")
    (tmp_path / "ready").read_text()
    found_again = JobProcess(tmp_path)

    os.killpg(int((tmp_path / "pid").read_text()), signal.SIGKILL)

    assert found_again.wait(seconds=SECONDS)
    assert found_again.exit_code is None
    assert process.wait(seconds=SECONDS)
    process.close()
    found_again.close()


def test_a_command_killed_by_a_signal_has_the_shell_s_status_code(tmp_path: Path) -> None:
    process = start(tmp_path, "kill -KILL $$")

    assert process.wait(seconds=SECONDS)
    assert process.exit_code == 128 + signal.SIGKILL
    assert (tmp_path / "log").read_text() == ""
    process.close()


def test_waiting_for_a_process_ends_with_the_interrupt_or_the_time(
    tmp_path: Path, interrupt: Interrupt
) -> None:
    process = start(tmp_path, "sleep 1000")

    assert not process.wait(interrupt, seconds=0.01)
    threading.Timer(0.01, interrupt.set).start()
    assert not process.wait(interrupt)
    assert process.is_alive
    assert interrupt.wait(SECONDS)

    process.stop()
    process.close()
    interrupt.close()


def test_an_interrupt_that_was_set_calls_at_once_and_may_be_closed_before(
    interrupt: Interrupt,
) -> None:
    calls: list[str] = []
    interrupt.on_set(lambda: calls.append("first"))
    interrupt.close()
    interrupt.set()
    interrupt.set()
    interrupt.on_set(lambda: calls.append("second"))

    assert calls == ["first", "second"]


def test_a_job_that_needs_many_nodes_is_not_overtaken_by_smaller_ones() -> None:
    nodes = Nodes()
    first = nodes.ask(Demand(compute="c", count=1, capacity=2))
    both = nodes.ask(Demand(compute="c", count=2, capacity=2))
    one = nodes.ask(Demand(compute="c", count=1, capacity=2))
    assert (first.granted, both.granted, one.granted) == (True, False, False)

    nodes.release(first)
    assert (both.granted, one.granted) == (True, False)
    nodes.release(both)

    assert one.granted


def test_a_job_of_higher_priority_goes_first_and_equals_go_in_their_order() -> None:
    nodes = Nodes()
    granted = []
    running = nodes.ask(Demand(compute="c", count=1, capacity=1))
    asked = {
        name: nodes.ask(Demand(compute="c", count=1, capacity=1, priority=priority))
        for name, priority in (("low", 1), ("medium", 2), ("high", 3), ("second high", 3))
    }

    nodes.release(running)
    while asked:
        (name,) = (name for name, ticket in asked.items() if ticket.granted)
        granted.append(name)
        nodes.release(asked.pop(name))

    assert granted == ["high", "second high", "medium", "low"]


def test_a_line_that_is_too_long_takes_nobody_more() -> None:
    nodes = Nodes(longest_queue=1)
    nodes.ask(Demand(compute="w/computes/c", count=1, capacity=1))
    waiting = nodes.ask(Demand(compute="w/computes/c", count=1, capacity=1))

    with pytest.raises(JobFailure, match="1 jobs wait for the compute 'c' already"):
        nodes.ask(Demand(compute="w/computes/c", count=1, capacity=1))

    assert waiting.explain() == (
        "it needs 1 of the 1 nodes of its compute, of which 1 are in use, and 0 jobs are before it"
    )


def test_waiting_for_nodes_ends_with_the_interrupt_and_leaves_the_line(
    interrupt: Interrupt,
) -> None:
    nodes = Nodes()
    running = nodes.ask(Demand(compute="c", count=1, capacity=1))
    waiting, behind = (nodes.ask(Demand(compute="c", count=1, capacity=1)) for _ in range(2))
    interrupt.set()

    assert not waiting.wait(interrupt)
    nodes.release(waiting)
    nodes.release(running)

    assert behind.granted


def test_uv_is_told_pip_s_configuration_unless_it_has_its_own() -> None:
    variables = uv_environment(
        {
            "PATH": "/bin",
            "PIP_INDEX_URL": "https://pip.example/simple",
            "PIP_EXTRA_INDEX_URL": "https://extra.example/simple",
            "UV_INDEX": "https://uv.example/simple",
            "SSL_CERT_FILE": "/certs.pem",
            "VIRTUAL_ENV": "/somewhere",
        }
    )

    assert variables["UV_DEFAULT_INDEX"] == "https://pip.example/simple"
    assert variables["UV_INDEX"] == "https://uv.example/simple"
    assert variables["SSL_CERT_FILE"] == "/certs.pem"
    assert "VIRTUAL_ENV" not in variables


def test_uv_is_shown_the_pythons_of_pyenv_newest_first_and_not_their_shims(tmp_path: Path) -> None:
    for version in ("2.7.18", "3.9.18", "3.10.1"):
        (tmp_path / "versions" / version / "bin").mkdir(parents=True)
        (tmp_path / "versions" / version / "bin" / "python").touch()

    path = uv_environment({"PYENV_ROOT": str(tmp_path), "PATH": f"{tmp_path}/shims:/bin"})["PATH"]

    assert path == f"/bin:{tmp_path}/versions/3.10.1/bin:{tmp_path}/versions/3.9.18/bin"


def test_passwords_in_urls_do_not_reach_a_build_log() -> None:
    line = "Looking at https://user:pass@example.org/simple and https://example.org/@scope"

    assert without_credentials(line) == (
        "Looking at https://***@example.org/simple and https://example.org/@scope"
    )


def test_an_interrupted_build_is_not_taken_for_a_whole_environment(tmp_path: Path) -> None:
    environment = EnvironmentSpec(name="e", version="1", conda_file="dependencies: [python]")
    first = VenvRuntime(tmp_path)
    bin_folder = first.prepare(environment, io.StringIO()).bin
    marker = bin_folder.parent / "emulator-complete.json"
    marker.unlink()
    (bin_folder / "left-over").touch()

    log = io.StringIO()
    assert VenvRuntime(tmp_path).prepare(environment, log).bin == bin_folder

    assert "The environment is built.\n" in log.getvalue()
    assert not (bin_folder / "left-over").exists()


def test_a_missing_python_is_a_build_error_that_names_the_ones_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    environment = EnvironmentSpec(name="e", version="1", conda_file="dependencies: [python=3.99]")

    with pytest.raises(BuildError, match=r"There is no Python ==3\.99\.\* .* Found: .*3\.\d+"):
        VenvRuntime(tmp_path).prepare(environment, io.StringIO())


def test_a_closed_runtime_builds_nothing_any_more(tmp_path: Path) -> None:
    runtime = VenvRuntime(tmp_path)
    runtime.close()
    environment = EnvironmentSpec(name="e", version="1", conda_file="dependencies: [python]")

    with pytest.raises(BuildError):
        runtime.prepare(environment, io.StringIO())


def test_an_unknown_runtime_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="There is no runtime 'podman'"):
        runtime_named("podman", tmp_path)

"""Jobs on the engine: real processes, real documents, blobs and MLflow runs; no server."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlflow_azureml_backend.emulator.jobs.pace import Pace
from mlflow_azureml_backend.emulator.jobs.process import JobProcess
from mlflow_azureml_backend.emulator.jobs.status import JobStatus
from mlflow_azureml_backend.emulator.jobs.stepping import advance, show
from mlflow_azureml_backend.emulator.runtimes.host import HostRuntime

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from mlflow_azureml_backend.emulator.runtimes import EnvironmentSpec, Interpreter

COURSE = ["Provisioning", "Preparing", "Queued", "Running", "Finalizing"]
SECONDS = 60.0
STORE = "azureml://datastores/workspaceblobstore/paths"

# What the fixtures of `conftest.py` give; it cannot be imported from.
Bench = Benches = Gate = Any


def test_a_job_goes_through_every_status_and_ends_completed(bench: Bench) -> None:
    assert bench.run_to_end("echo hello; echo there >&2") == "Completed"

    assert bench.state.statuses["job"] == [*COURSE, "Completed"]
    assert bench.log() == "hello\nthere\n"
    run = bench.history()
    assert run["status"] == "Completed"
    assert run["startTimeUtc"] < run["endTimeUtc"]
    assert run["logFiles"] == ["azureml-logs/20_image_build_log.txt", "user_logs/std_log.txt"]
    assert run.get("error") is None
    assert bench.tracking.summary(bench.key, "job").status == "FINISHED"
    bench.stop()
    assert bench.engine.running() == 0
    assert not (bench.root / "jobs" / bench.key.guid / "job").exists()


def test_a_failing_command_fails_the_job_with_the_end_of_its_log(bench: Bench) -> None:
    assert bench.run_to_end("echo so far; echo 'ValueError: no' >&2; exit 3") == "Failed"

    assert bench.error() == (
        "Execution failed. User process 'bash' exited with status code 3. Please check log file "
        "'user_logs/std_log.txt' for error details. Error: so far\nValueError: no"
    )
    assert bench.state.statuses["job"] == [*COURSE, "Failed"]
    assert bench.tracking.summary(bench.key, "job").status == "FAILED"


def test_a_job_sees_the_service_s_variables_and_nothing_of_the_emulator_s_own(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_USER", "secret")
    command = "python -c 'import json, os; print(json.dumps(dict(os.environ)))'"

    bench.run_to_end(command, environmentVariables={"LANG": "C", "MINE": "a; b '("})

    seen = json.loads(bench.log() or "")
    assert "OF_THE_USER" not in seen
    assert seen["HOME"] != os.environ.get("HOME")
    assert (seen["LANG"], seen["MINE"]) == ("C", "a; b '(")
    assert seen["MLFLOW_RUN_ID"] == seen["AZUREML_RUN_ID"] == "job"
    assert seen["MLFLOW_TRACKING_URI"] == (
        f"azureml://eastus.api.azureml.ms/mlflow/v1.0{bench.key.arm_id}"
    )
    assert seen["MLFLOW_EXPERIMENT_ID"] == bench.tracking.summary(bench.key, "job").experiment_id
    principal = bench.emulation.identity.verify(seen["MLFLOW_TRACKING_TOKEN"])
    assert principal.claims["runId"] == "job"
    assert int(seen["AZUREML_RUN_TOKEN_EXPIRY"]) == pytest.approx(principal.claims["exp"], abs=5)
    assert seen["HTTPS_PROXY"] == bench.emulation.address
    assert seen["REQUESTS_CA_BUNDLE"] == str(bench.emulation.ca_bundle)


def test_the_log_grows_while_the_job_runs(bench: Bench, gate: Gate) -> None:
    command = f"python -c 'print(\"first\")'; {gate.reach}; {gate.stay}"
    bench.submit(command)
    gate.wait()

    assert bench.log() == "first\n"
    assert bench.history()["logFiles"][-1] == "user_logs/std_log.txt"

    gate.open("second\n")
    assert bench.end_of() == "Completed"
    assert bench.log() == "first\nsecond\n"


def test_what_a_command_left_running_ends_with_the_job(bench: Bench) -> None:
    assert bench.run_to_end("sleep 1000 & echo $!") == "Completed"

    pid = int(bench.log() or "")
    with suppress(FileNotFoundError):
        # Nobody may have fetched its end yet, but it does not run any more.
        assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_running_job_can_be_canceled_and_may_say_farewell(bench: Bench, gate: Gate) -> None:
    farewell = "mkdir outputs; echo kept > outputs/state.txt; echo bye; exit 0"
    bench.submit(f"trap '{farewell}' TERM; {gate.reach}; sleep 1000 & wait")
    gate.wait()

    assert bench.engine.cancel(bench.key, "job")
    assert bench.end_of() == "Canceled"

    assert bench.state.statuses["job"][-2:] == ["CancelRequested", "Canceled"]
    assert bench.log() == "bye\n"
    assert bench.artifact("outputs/state.txt") == "kept\n"
    assert bench.history().get("error") is None
    assert bench.tracking.summary(bench.key, "job").status == "KILLED"
    assert not bench.engine.cancel(bench.key, "job")


def test_jobs_wait_for_nodes_in_the_order_of_their_submission(
    bench: Bench, make_gate: Callable[[str], Gate]
) -> None:
    bench.add_compute("small", nodes=1)
    small = f"{bench.key.arm_id}/computes/small"
    gates = {name: make_gate(name) for name in ("one", "two", "three")}
    for name, gate in gates.items():
        bench.submit(f"{gate.reach}; {gate.stay}", name, computeId=small)
        bench.wait(name, "Running" if name == "one" else "Queued")

    gates["one"].wait()
    assert [bench.status(name) for name in gates] == ["Running", "Queued", "Queued"]
    assert bench.engine.cancel(bench.key, "two")
    assert bench.end_of("two") == "Canceled"
    assert bench.log("two") is None
    assert bench.status("three") == "Queued"
    # A job on another compute passes by.
    assert bench.run_to_end("true", "elsewhere") == "Completed"

    gates["one"].open()
    gates["three"].wait()
    assert bench.end_of("one") == "Completed"
    assert bench.status("three") == "Running"
    gates["three"].open()
    assert bench.end_of("three") == "Completed"


def test_a_job_that_asks_for_more_nodes_than_its_compute_has_fails(bench: Bench) -> None:
    bench.run_to_end("true", resources={"instanceCount": 5})

    assert bench.error() == (
        "The job asks for 5 nodes, and its compute 'cpu-cluster' has 4 at most."
    )


class SlowRuntime(HostRuntime):
    """Take as long as it is told to."""

    def __init__(self) -> None:
        self.asked, self.go_on = threading.Event(), threading.Event()

    def prepare(self, environment: EnvironmentSpec, log: TextIO) -> Interpreter:
        self.asked.set()
        assert self.go_on.wait(SECONDS)
        return super().prepare(environment, log)

    def close(self) -> None:
        self.go_on.set()


def test_a_job_can_be_canceled_while_its_environment_is_built(
    benches: Benches,
) -> None:
    runtime = SlowRuntime()
    bench = benches.start(runtime)
    bench.submit("echo never")
    assert runtime.asked.wait(SECONDS)

    assert bench.engine.cancel(bench.key, "job")

    assert bench.end_of() == "Canceled"
    assert bench.state.statuses["job"] == [*COURSE[:2], "CancelRequested", "Canceled"]


def test_a_job_that_takes_longer_than_its_limit_is_canceled(bench: Bench) -> None:
    limits = {"jobLimitsType": "Command", "timeout": "PT1S"}

    assert bench.run_to_end("echo begun; sleep 1000", limits=limits) == "Canceled"

    assert bench.warnings() == "The job was canceled: it ran longer than its limit of 0:00:01."
    assert (bench.log() or "").startswith("begun\n")
    assert bench.tracking.summary(bench.key, "job").status == "KILLED"


def test_a_limit_that_is_no_duration_fails_the_job(bench: Bench) -> None:
    bench.run_to_end("true", limits={"jobLimitsType": "Command", "timeout": "1 hour"})

    assert "'1 hour' is not an ISO 8601 duration" in bench.error()


def test_code_inputs_and_outputs_are_bound_to_the_command(bench: Bench) -> None:
    key, container = bench.key, bench.key.blob_container
    code = f"https://{key.storage_account}.blob.core.windows.net:443/code-1/src"
    bench.state.put("code", key.storage_key, "c", "1", {"codeUri": code})
    bench.add_blob("code-1", "src/main.sh", 'cat "$1" "$2"/*; mkdir outputs; echo m > outputs/m')
    bench.add_blob("code-1", "src/lib/a b.txt", "kept")
    bench.add_blob(container, "in/file.csv", "file\n")
    bench.add_blob(container, "in/folder/x.csv", "x\n")
    bench.add_blob(container, "in/folder-not/y.csv", "y\n")
    asset = {"dataUri": f"{STORE}/in/folder"}
    bench.state.put("data", key.storage_key, "d", "1", asset)
    long_store = (
        f"azureml://subscriptions/sub/resourcegroups/group/workspaces/{key.name}"
        "/datastores/workspaceblobstore/paths"
    )

    status = bench.run_to_end(
        "bash main.sh ${{inputs.file}} ${{ inputs.folder }} && ls lib && echo ${{inputs.text}} "
        "&& ls ${{inputs.asset}} "
        "&& echo o > ${{outputs.named}}/o && echo d > ${{outputs.default}}/d "
        "&& echo f > $AZURE_ML_OUTPUT_single",
        codeId=f"{key.arm_id}/codes/c/versions/1",
        inputs={
            "file": {"jobInputType": "uri_file", "uri": f"{STORE}/in/file.csv"},
            "folder": {"jobInputType": "uri_folder", "uri": f"{long_store}/in/folder/"},
            "asset": {"jobInputType": "uri_folder", "uri": f"{key.arm_id}/data/d/versions/1"},
            "text": {"jobInputType": "literal", "value": "'${{inputs.file}}'"},
        },
        outputs={
            "named": {"jobOutputType": "uri_folder"},
            "single": {"jobOutputType": "uri_file", "uri": f"{STORE}/out/single.txt"},
        },
    )

    assert status == "Completed", bench.history()
    assert bench.log() == "file\nx\na b.txt\n${{inputs.file}}\nx.csv\n"
    assert bench.artifact("outputs/m") == "m\n"
    assert bench.artifact("d") == "d\n"
    assert bench.blob(container, "azureml/job/named/o") == "o\n"
    assert bench.blob(container, "out/single.txt") == "f\n"


def test_artifacts_that_are_there_already_are_not_overwritten(bench: Bench) -> None:
    bench.add_blob("azureml", "ExperimentRun/dcid.job/outputs/model.txt", "logged")

    bench.run_to_end("mkdir -p outputs/sub && echo late > outputs/model.txt && touch outputs/sub/a")

    assert bench.artifact("outputs/model.txt") == "logged"
    assert bench.artifact("outputs/sub/a") == ""
    assert bench.warnings() == "'outputs/model.txt' was already there and was not overwritten."


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(
            {"command": "echo ${{inputs.nothing}}"},
            "The command names '${{inputs.nothing}}', which the job does not define.",
            id="an expression that stands for nothing",
        ),
        pytest.param(
            {"inputs": {"a": {"jobInputType": "uri_file", "uri": f"{STORE}/gone.csv"}}},
            f"The job's input 'a': there is no file at '{STORE}/gone.csv'.",
            id="a missing file",
        ),
        pytest.param(
            {"inputs": {"a": {"jobInputType": "uri_folder", "uri": f"{STORE}/gone"}}},
            "there is no folder at",
            id="a missing folder",
        ),
        pytest.param(
            {"inputs": {"a": {"jobInputType": "uri_folder", "uri": "abfss://c@a/b"}}},
            "'abfss://c@a/b' is of a kind the emulator does not support",
            id="a kind of URI that is not emulated",
        ),
        pytest.param(
            {"inputs": {"a": {"uri": "azureml://datastores/other/paths/x"}}},
            "names the datastore 'other', which does not exist",
            id="a missing datastore",
        ),
        pytest.param(
            {"inputs": {"a": {"jobInputType": "uri_file", "uri": "https://127.0.0.1:1/a.csv"}}},
            "The job's input 'a': 'https://127.0.0.1:1/a.csv' cannot be read",
            id="a file that cannot be downloaded",
        ),
        pytest.param(
            {"inputs": {"a": {"jobInputType": "uri_folder", "uri": "https://127.0.0.1:1/a"}}},
            "outside of the emulator's storage; from there it can read only a uri_file",
            id="a folder elsewhere",
        ),
        pytest.param(
            {"inputs": {"a": {"jobInputType": "uri_folder", "uri": f"{STORE}/escape"}}},
            "The blob name 'escape/../../x' leads out of its folder.",
            id="a blob whose name leads out of its folder",
        ),
        pytest.param(
            {"distribution": {"distributionType": "PyTorch", "processCountPerInstance": 65}},
            "The job asks for 65 processes, and the emulator starts 64 at most for one job.",
            id="more processes than one machine should have",
        ),
        pytest.param(
            {"resources": {"instanceCount": -1}},
            "The job's instanceCount is -1; it has to be 1 or more.",
            id="less than one node",
        ),
        pytest.param(
            {"distribution": {"distributionType": "Gloo"}},
            "does not know the distribution 'Gloo'; it knows Mpi, PyTorch, Ray and TensorFlow.",
            id="a distribution that is not emulated",
        ),
        pytest.param(
            {"computeId": "/x/computes/gone"},
            "its compute 'gone' has 0 at most",
            id="a compute that was deleted",
        ),
    ],
)
def test_what_the_emulator_cannot_do_fails_the_job_and_says_so(
    bench: Bench, sent: dict[str, Any], expected: str
) -> None:
    bench.add_blob(bench.key.blob_container, "escape/../../x", "x")

    assert bench.run_to_end(**{"command": "echo never", **sent}) == "Failed"

    assert expected in bench.error()
    assert not bench.log()


def test_five_jobs_at_once_build_their_environment_once(
    benches: Benches,
) -> None:
    bench = benches.start()
    names = [
        bench.submit(
            "python -m pip -V && python -c 'import six; print(six.__version__)'", f"job-{number}"
        )
        for number in range(5)
    ]

    assert [bench.end_of(name) for name in names] == ["Completed"] * 5

    logs = [bench.build_log(name) for name in names]
    assert sum("The environment is built.\n" in log for log in logs) == 1
    environments = list((bench.root / "environments").glob("*/bin/python"))
    assert len(environments) == 1
    for name in names:
        log = bench.log(name) or ""
        assert str(environments[0].parent.parent) in log
        assert log.endswith("1.16.0\n")


def test_an_environment_that_cannot_be_solved_fails_the_job_with_the_solver_s_words(
    benches: Benches,
) -> None:
    bench = benches.start()
    bench.add_environment("bad", condaFile='{"dependencies": [{"pip": ["six==999"]}]}', image="b")

    assert bench.run_to_end("true", environmentId="azureml:bad:1") == "Failed"

    assert bench.error().startswith(
        "Image build failed. For more details, check log file azureml-logs/20_image_build_log.txt."
    )
    assert "you require six==999" in bench.error()
    assert "you require six==999" in bench.build_log()
    assert bench.state.statuses["job"] == [*COURSE[:2], "Failed"]


def test_an_environment_without_a_conda_file_fails_the_job_and_says_what_to_do(
    benches: Benches,
) -> None:
    bench = benches.start()
    bench.add_environment("image", condaFile="", image="mcr.microsoft.com/base:1")

    assert bench.run_to_end("true", environmentId="azureml:image:1") == "Failed"

    assert "is the image 'mcr.microsoft.com/base:1' alone" in bench.error()
    assert "Give the environment a conda_file, or start the emulator with the runtime 'host'" in (
        bench.error()
    )


def test_a_job_runs_on_while_its_emulator_restarts(
    bench: Bench, benches: Benches, gate: Gate
) -> None:
    bench.submit(f"echo before; {gate.reach}; {gate.stay}; exit 4")
    gate.wait()
    bench.stop()

    again = benches.start(HostRuntime())
    assert again.status() == "Running"
    assert again.engine.running() == 1
    gate.open("after\n")

    assert again.end_of() == "Failed"
    assert "exited with status code 4" in again.error()
    assert again.log() == "before\nafter\n"


def test_a_job_that_was_taken_up_again_still_holds_its_node_and_can_be_canceled(
    bench: Bench, benches: Benches, gate: Gate
) -> None:
    bench.add_compute("small", nodes=1)
    small = f"{bench.key.arm_id}/computes/small"
    bench.submit(f"{gate.reach}; sleep 1000", "first", computeId=small)
    gate.wait()
    bench.stop()

    again = benches.start(HostRuntime())
    again.submit("echo mine", "second", computeId=small)
    again.wait("second", "Queued")
    assert again.engine.cancel(again.key, "first")

    assert again.end_of("first") == "Canceled"
    assert again.end_of("second") == "Completed"


def test_a_job_that_ended_while_no_emulator_was_there_ends_by_its_status_code(
    bench: Bench, benches: Benches, gate: Gate
) -> None:
    bench.submit(f"mkdir outputs; {gate.reach}; {gate.stay} > outputs/late")
    gate.wait()
    folder = bench.root / "jobs" / bench.key.guid / "job" / "processes" / "0"
    process = JobProcess(folder)
    bench.stop()
    gate.open("late")
    assert process.wait(seconds=SECONDS)
    process.close()

    again = benches.start(HostRuntime())

    assert again.end_of() == "Completed"
    assert again.artifact("outputs/late") == "late"


def test_a_job_whose_process_was_lost_fails_as_after_the_loss_of_a_node(
    bench: Bench, benches: Benches, gate: Gate
) -> None:
    bench.submit(f"{gate.reach}; sleep 1000")
    gate.wait()
    folder = bench.root / "jobs" / bench.key.guid / "job" / "processes" / "0"
    process = JobProcess(folder)
    bench.stop()
    os.killpg(int((folder / "pid").read_text()), signal.SIGKILL)
    assert process.wait(seconds=SECONDS)
    process.close()

    again = benches.start(HostRuntime())

    assert again.end_of() == "Failed"
    assert "Nodes of this job got pre-empted" in again.error()
    assert "The node was lost" in again.error()


def test_a_job_that_had_not_begun_begins_again_after_a_restart(
    benches: Benches,
) -> None:
    runtime = SlowRuntime()
    bench = benches.start(runtime)
    bench.submit("echo once")
    assert runtime.asked.wait(SECONDS)
    bench.stop()

    again = benches.start(HostRuntime())

    assert again.end_of() == "Completed"
    assert again.state.statuses["job"] == [*COURSE[2:], "Completed"]
    assert again.log() == "once\n"


def test_stopping_is_quick_while_an_environment_is_being_built(
    benches: Benches,
) -> None:
    bench = benches.start()
    bench.submit("true")
    bench.wait("job", "Preparing")

    bench.stop()

    assert bench.engine.running() == 0
    again = benches.start()
    assert again.end_of() == "Completed", again.history()


def test_a_pin_that_is_not_installed_here_is_met_by_its_minor_version_with_a_warning(
    benches: Benches,
) -> None:
    bench = benches.start()
    version = "{}.{}.99".format(*sys.version_info)
    conda = {"dependencies": [f"python={version}", "cudatoolkit=11.3"]}
    bench.add_environment("pinned", condaFile=json.dumps(conda), image="base")

    bench.run_to_end("python -V", environmentId="azureml:pinned:1")

    assert re.match(rf"Python {version[:-3]}\.", bench.log() or "")
    assert f"No Python =={version}.* is installed here" in bench.warnings()
    assert "'cudatoolkit=11.3' is left out" in bench.warnings()


def test_a_held_job_and_a_status_put_over_its_own_survive_a_restart(
    bench: Bench, benches: Benches
) -> None:
    held = Pace(held=True, seconds=0)
    bench.engine.paces.change(bench.key, held)
    bench.submit("true")
    step = partial(advance, seconds=SECONDS)
    at = step(bench.engine, bench.key, "job", JobStatus.STARTING, to=JobStatus.QUEUED)
    assert at.status is JobStatus.QUEUED
    assert show(bench.engine, bench.key, "job", JobStatus.NOT_RESPONDING).reached
    bench.stop()

    again = benches.start(HostRuntime())

    assert again.status() == "NotResponding"
    assert again.engine.paces.of(again.key) == held
    assert show(again.engine, again.key, "job", JobStatus.QUEUED).reached
    assert again.status() == "Queued"
    end = step(again.engine, again.key, "job", JobStatus.QUEUED, to=JobStatus.COMPLETED)
    assert end.status is JobStatus.COMPLETED
    assert again.history()["statusBehind"] is None


def test_jobs_that_waited_for_a_node_keep_their_order_over_a_restart(
    bench: Bench, benches: Benches, make_gate: Callable[[str], Gate], tmp_path: Path
) -> None:
    bench.add_compute("small", nodes=1)
    small = f"{bench.key.arm_id}/computes/small"
    gate = make_gate("first")
    bench.submit(f"{gate.reach}; {gate.stay}", "first", computeId=small)
    gate.wait()
    order = tmp_path / "order"
    for name, priority in (("low", 1), ("high", 3), ("medium", None), ("second-high", 3)):
        queue = {"jobTier": "Standard", "priority": priority}
        bench.submit(f"echo {name} >> {order}", name, computeId=small, queueSettings=queue)
        bench.wait(name, "Queued")
    bench.stop()

    again = benches.start(HostRuntime())
    gate.open()

    for name in ("first", "low", "high", "medium", "second-high"):
        assert again.end_of(name) == "Completed"
    assert order.read_text().split() == ["high", "second-high", "medium", "low"]


def test_a_job_says_which_runtime_it_ran_in(bench: Bench) -> None:
    bench.run_to_end("true")

    job = bench.state.get("job", bench.key.storage_key, "job")
    assert job is not None
    assert job.body["properties"]["emulator.runtime"] == "host"
    assert bench.build_log().startswith("The job runs in the emulator's runtime 'host'.\n")

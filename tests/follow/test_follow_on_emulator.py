"""Real jobs on the emulator are followed through faults: each line of each rank, once, in order."""

import sys

import pytest
from azure.ai.ml import command
from azure.ai.ml.entities import Environment

from mlflow_azureml_backend.follow import Follower, LogSelection, display_for
from mlflow_azureml_backend.job import WorkspaceRef
from mlflow_azureml_backend.workspace import connect

LOGS, DETAILS = "GET */user_logs/*", "GET */details"
PRINTER = """
import os, sys, time
rank = os.environ.get("RANK", "0")
for number in range(60):
    print(f"{rank}: line {number}: größer 第三行 🚀", flush=True)
    time.sleep(PAUSE)
print(f"{rank}: bar  10%", end="")
print(f"\\r{rank}: bar 100%", end="", flush=True)
sys.exit(CODE if rank == "3" else 0)
"""


@pytest.fixture
def submit(azureml_emulator, tmp_path):
    def submitted(name, *, ranks=4, code=0, pause=0.0, body=PRINTER):
        script = tmp_path / f"{name}.py"
        script.write_text(body.replace("PAUSE", str(pause)).replace("CODE", str(code)))
        many = {"type": "pytorch", "process_count_per_instance": ranks}
        azureml_emulator.ml_client().jobs.create_or_update(
            command(
                name=name,
                command=f"{sys.executable} {script}",
                environment=Environment(image="mcr.microsoft.com/azureml/base"),
                compute="cpu-cluster",
                **({"distribution": many} if ranks > 1 else {}),
            )
        )

    return submitted


@pytest.fixture
def service(azureml_emulator):
    return connect(WorkspaceRef.find_in(azureml_emulator.arm_id))


def follow(service, job, **options):
    display = display_for(stream=True)
    follower = Follower(service, job, display, **options)
    outcome = follower.follow(lambda _details: None)
    display.outcome(outcome)
    return outcome


def expected(rank):
    lines = [f"{rank}: line {number}: größer 第三行 🚀" for number in range(60)]
    return [f"[rank {rank}] {line}" for line in [*lines, f"{rank}: bar 100%"]]


@pytest.mark.slow
def test_four_ranks_are_shown_through_refusals_hangs_and_expired_urls(
    azureml_emulator, submit, service, capsys
):
    submit("ranks", code=3, pause=0.05)
    azureml_emulator.faults.add(route=LOGS, hang=2, count=2, skip=2)
    azureml_emulator.faults.add(route=DETAILS, hang=2, count=1, skip=2)
    azureml_emulator.faults.add(route=LOGS, status=503, probability=0.2, seed=5)
    azureml_emulator.faults.add(route=DETAILS, status=502, html=True, probability=0.2, seed=6)
    azureml_emulator.faults.add(route=LOGS, reset="after", probability=0.1, seed=7)
    azureml_emulator.faults.add(route=LOGS, expired_sas=True, count=4, skip=6)
    outcome = follow(service, "ranks")

    out, err = capsys.readouterr()
    shown = out.splitlines()
    azureml_emulator.faults.clear()
    urls = service.details("ranks").log_files
    for rank in range(4):
        url = urls[f"user_logs/std_log_process_0{rank}.txt"]
        written = service.read_log(url, offset=0, size=1 << 20).data.decode()
        # The rank that fails ends the others, whose last line may be missing.
        lines = expected(rank)[: len(written.split("\n")) - written.endswith("\n")]
        assert [line for line in shown if line.startswith(f"[rank {rank}]")] == lines
    assert lines == expected(3)
    assert (outcome.status.value, outcome.exit_code, outcome.rank) == ("Failed", 3, 3)
    assert "The last 20 lines of rank 3:" in err
    assert "    3: line 59: größer 第三行 🚀" in err


def test_what_is_wanted_of_a_log_is_read_and_nothing_else(
    azureml_emulator, submit, service, capsys
):
    submit("chosen")
    follow(service, "chosen")
    capsys.readouterr()
    since = len(azureml_emulator.journal())
    selection = LogSelection(files=("std_log_*",), ranks=(2,), tail=3)
    Follower(service, "chosen", display_for(stream=True), selection=selection).show_log()

    assert capsys.readouterr().out.splitlines() == expected(2)[-3:]
    asked = [entry.path for entry in azureml_emulator.journal()[since:]]
    assert {path.rpartition("/")[2] for path in asked} == {"details", "std_log_process_02.txt"}


def test_a_clusters_state_is_read(service):
    state = service.compute_state("cpu-cluster")
    assert (state.most_nodes, state.allocation, state.errors) == (4, "Steady", ())
    assert set(state.nodes) >= {"running", "idle", "preparing"}

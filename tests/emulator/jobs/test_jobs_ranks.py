"""Jobs of many processes: real ones, with the service's variables, that end together."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mlflow_azureml_backend.emulator.jobs.distribution import read_layout
from mlflow_azureml_backend.emulator.jobs.process import JobProcess
from mlflow_azureml_backend.emulator.runtimes.host import HostRuntime

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 60.0
ALL_REDUCE = Path(__file__).parents[2] / "projects" / "all_reduce.py"
PYTORCH = {"distributionType": "PyTorch", "processCountPerInstance": 2}

Bench = Benches = Gate = Any


def rank_log(number: int, kind: str = "") -> str:
    return f"user_logs/std_log_process_{number:02}{kind}.txt"


def is_gone(pid: int) -> bool:
    """Tell whether a process does not run any more; nobody may have fetched its end yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_four_processes_on_two_nodes_meet_and_sum_a_number(bench: Bench) -> None:
    status = bench.run_to_end(
        f"python {ALL_REDUCE}", resources={"instanceCount": 2}, distribution=PYTORCH
    )

    logs = [bench.artifact(rank_log(number)) for number in range(4)]
    assert status == "Completed", (logs, bench.history())
    assert logs == [f"rank {number} sum 1111\n" for number in range(4)]
    assert bench.history()["logFiles"] == [
        "azureml-logs/20_image_build_log.txt",
        *(rank_log(number) for number in range(4)),
    ]
    assert bench.log() is None


@pytest.mark.skipif(sys.platform == "win32", reason="jobs run on POSIX systems")
def test_the_ranks_of_pytorch_find_what_the_service_sets() -> None:
    layout = read_layout({"resources": {"instanceCount": 2}, "distribution": PYTORCH})

    ranks = layout.ranks(lambda: 4711)

    assert [dict(rank.variables) for rank in ranks] == [
        {
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": "4711",
            "WORLD_SIZE": "4",
            "RANK": str(number),
            "NODE_RANK": str(number // 2),
            "LOCAL_RANK": str(number % 2),
        }
        for number in range(4)
    ]


def test_the_ranks_of_mpi_find_what_open_mpi_sets(bench: Bench) -> None:
    command = "echo $OMPI_COMM_WORLD_RANK/$OMPI_COMM_WORLD_SIZE $OMPI_COMM_WORLD_LOCAL_RANK"
    distribution = {"distributionType": "Mpi", "processCountPerInstance": 3}

    assert bench.run_to_end(command, distribution=distribution) == "Completed"

    assert [bench.artifact(rank_log(number)) for number in range(3)] == [
        "0/3 0\n",
        "1/3 1\n",
        "2/3 2\n",
    ]


def test_tensorflow_s_parameter_servers_end_with_the_workers(bench: Bench, tmp_path: Path) -> None:
    served = tmp_path / "served"
    command = f"""
        echo $TF_CONFIG
        if [[ $TF_CONFIG == *'"type": "ps"'* ]]; then touch {served}; sleep 1000; fi
        until [ -e {served} ]; do sleep 0.02; done
    """
    distribution = {"distributionType": "TensorFlow", "workerCount": 2, "parameterServerCount": 1}

    status = bench.run_to_end(command, resources={"instanceCount": 2}, distribution=distribution)

    assert status == "Completed", bench.history()
    configs = [
        json.loads(bench.artifact(path)) for path in (rank_log(0), rank_log(1), rank_log(0, "_ps"))
    ]
    assert [config["task"] for config in configs] == [
        {"type": "worker", "index": 0},
        {"type": "worker", "index": 1},
        {"type": "ps", "index": 0},
    ]
    (cluster,) = {json.dumps(config["cluster"]) for config in configs}
    addresses = [*json.loads(cluster)["worker"], *json.loads(cluster)["ps"]]
    assert len(set(addresses)) == 3
    assert all(address.startswith("127.0.0.1:") for address in addresses)


def test_without_ray_the_head_runs_the_command_and_the_others_say_what_is_missing(
    bench: Bench,
) -> None:
    status = bench.run_to_end(
        "until [ -s ../../../processes/1/exit_code ]; do sleep 0.02; done; "
        "echo head at $RAY_ADDRESS",
        resources={"instanceCount": 2},
        distribution={"distributionType": "Ray", "port": 6379},
    )

    assert status == "Completed", bench.history()
    assert bench.artifact(rank_log(0)) == "head at 127.0.0.1:6379\n"
    assert "Ray is not installed in the environment" in bench.artifact(rank_log(1))


def test_with_ray_a_cluster_is_started_before_the_command_and_ended_after_it(
    bench: Bench, tmp_path: Path
) -> None:
    # A program in Ray's place, which listens where the head is told to and blocks as a worker.
    program = tmp_path / "bin" / "ray"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/bash\n"
        f'echo "$@" >> {tmp_path}/calls\n'
        'if [[ $2 == --head ]]; then port=${4#--port=}; else touch "$READY"; sleep 1000; fi\n'
        "if [[ $port ]]; then\n"
        f'  {sys.executable} -c \'import socket, sys; s = socket.create_server(("127.0.0.1",'
        ' int(sys.argv[1]))); open(sys.argv[2], "w"); s.accept(); s.accept()\''
        f" $port {tmp_path}/listens > /dev/null 2>&1 &\n"
        "fi\n"
    )
    program.chmod(0o755)
    distribution = {
        "distributionType": "Ray",
        "includeDashboard": False,
        "headNodeAdditionalArgs": "--num-cpus=1",
        "workerNodeAdditionalArgs": "--num-cpus=2",
    }

    status = bench.run_to_end(
        "until [ -e $READY ]; do sleep 0.02; done; echo done",
        resources={"instanceCount": 2},
        distribution=distribution,
        environmentVariables={
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "READY": str(tmp_path / "ready"),
        },
    )

    assert status == "Completed", bench.history()
    assert bench.artifact(rank_log(0)) == "done\n"
    head, worker = (tmp_path / "calls").read_text().splitlines()
    port = head.split("--port=")[1].split()[0]
    assert head == (
        f"start --head --node-ip-address=127.0.0.1 --port={port} --include-dashboard=false "
        "--num-cpus=1"
    )
    assert worker == f"start --address=127.0.0.1:{port} --block --num-cpus=2"


def test_one_failing_rank_fails_the_job_and_ends_the_others(bench: Bench, tmp_path: Path) -> None:
    command = f"""
        echo $$ > {tmp_path}/pid-$RANK
        if [ $RANK = 2 ]; then
            until [ -s {tmp_path}/pid-0 -a -s {tmp_path}/pid-1 -a -s {tmp_path}/pid-3 ]; do
                sleep 0.02
            done
            echo 'RuntimeError: rank 2' >&2; exit 7
        fi
        sleep 1000
    """

    status = bench.run_to_end(command, resources={"instanceCount": 2}, distribution=PYTORCH)

    assert status == "Failed"
    assert bench.error() == (
        "Execution failed. User process 'bash' exited with status code 7. Please check log file "
        "'user_logs/std_log_process_02.txt' for error details. Error: RuntimeError: rank 2"
    )
    assert all(is_gone(int((tmp_path / f"pid-{rank}").read_text())) for rank in range(4))


def test_without_a_distribution_every_node_runs_the_command_with_its_own_copy_of_the_code(
    bench: Bench,
) -> None:
    key = bench.key
    code = f"https://{key.storage_account}.blob.core.windows.net/code-1/src"
    bench.state.put("code", key.storage_key, "c", "1", {"codeUri": code})
    bench.add_blob("code-1", "src/count.txt", "0")
    bench.add_blob(key.blob_container, "in/a", "a")

    status = bench.run_to_end(
        "echo 1 >> count.txt; wc -l < count.txt; mkdir outputs; echo x > outputs/$(basename "
        "$(dirname $PWD)); echo b > ${{inputs.d}}/b; ls ${{inputs.d}}; ls ${{inputs.m}}",
        codeId=f"{key.arm_id}/codes/c/versions/1",
        resources={"instanceCount": 2},
        inputs={
            "d": {
                "jobInputType": "uri_folder",
                "mode": "Download",
                "uri": "azureml://datastores/workspaceblobstore/paths/in",
            },
            "m": {
                "jobInputType": "uri_folder",
                "uri": "azureml://datastores/workspaceblobstore/paths/in",
            },
        },
    )

    assert status == "Completed", bench.history()
    for node in range(2):
        assert bench.artifact(rank_log(node)) == "1\na\nb\na\n"
        assert bench.artifact(f"outputs/{node}") == "x\n"


@pytest.mark.parametrize("how", ["cancel", "timeout"])
def test_all_ranks_end_with_a_canceled_job(
    bench: Bench, make_gate: Callable[[str], Gate], tmp_path: Path, how: str
) -> None:
    gates = [make_gate(f"rank-{number}") for number in range(2)]
    reach = "; ".join(f"if [ $RANK = {n} ]; then {gate.reach}; fi" for n, gate in enumerate(gates))
    limits = {"jobLimitsType": "Command", "timeout": "PT1S"} if how == "timeout" else None
    bench.submit(
        f"echo $$ > {tmp_path}/$RANK; {reach}; sleep 1000 & wait",
        distribution=PYTORCH,
        limits=limits,
    )
    for gate in gates:
        gate.wait()

    if how == "cancel":
        assert bench.engine.cancel(bench.key, "job")

    assert bench.end_of() == "Canceled"
    assert all(is_gone(int((tmp_path / str(rank)).read_text())) for rank in range(2))


def test_ranks_run_on_while_their_emulator_restarts_and_the_first_that_failed_tells_why(
    bench: Bench, benches: Benches, make_gate: Callable[[str], Gate]
) -> None:
    gate = make_gate("gate")
    command = (
        f"if [ $RANK = 1 ]; then {gate.reach}; {gate.stay}; exit 5; fi; trap 'exit 9' TERM; "
        "sleep 1000 & wait"
    )
    bench.submit(command, distribution=PYTORCH)
    gate.wait()
    bench.stop()

    again = benches.start(HostRuntime())
    assert again.status() == "Running"
    gate.open("after\n")

    assert again.end_of() == "Failed"
    assert "exited with status code 5" in again.error()
    assert "std_log_process_01.txt" in again.error()
    assert again.artifact(rank_log(1)) == "after\n"


def test_a_job_whose_emulator_was_killed_before_all_its_ranks_ran_fails_as_after_a_lost_node(
    bench: Bench, benches: Benches, make_gate: Callable[[str], Gate]
) -> None:
    gate = make_gate("gate")
    bench.submit(f"if [ $RANK = 0 ]; then {gate.reach}; fi; sleep 1000", distribution=PYTORCH)
    gate.wait()
    bench.stop()
    processes = bench.root / "jobs" / bench.key.guid / "job" / "processes"
    second = JobProcess(processes / "1")
    assert second.is_alive
    os.killpg(int((processes / "1" / "pid").read_text()), signal.SIGKILL)
    assert second.wait(seconds=SECONDS)
    second.close()
    shutil.rmtree(processes / "1")
    first = int((processes / "0" / "pid").read_text())

    again = benches.start(HostRuntime())

    assert again.end_of() == "Failed"
    assert "The node was lost" in again.error()
    assert is_gone(first)

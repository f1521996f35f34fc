"""Sweeps on the engine: no server, and no client."""

from __future__ import annotations

from typing import Any

from mlflow_azureml_backend.emulator.job_creation import create_job
from mlflow_azureml_backend.emulator.runtimes.host import HostRuntime
from mlflow_azureml_backend.emulator.sweep_body import new_sweep

# What the fixtures of `conftest.py` give; it cannot be imported from.
Bench = Benches = Gate = Any


def test_a_sweep_goes_on_after_a_restart_with_the_trials_it_had(
    bench: Bench, benches: Benches, gate: Gate
) -> None:
    command = f"test ${{{{search_space.x}}}} = 1 || {{ {gate.reach}; {gate.stay}; }}"
    sweep = new_sweep(
        "mine",
        {
            "jobType": "Sweep",
            "experimentName": "tests",
            "computeId": f"{bench.key.arm_id}/computes/cpu-cluster",
            "trial": {"command": command},
            "searchSpace": {"x": ["choice", [[1, 2]]]},
            "samplingAlgorithm": {"samplingAlgorithmType": "Grid"},
            "objective": {"goal": "minimize", "primaryMetric": "loss"},
            "limits": {"maxConcurrentTrials": 1},
        },
        environment_id=f"{bench.key.arm_id}/environments/conda/versions/1",
    )
    create_job(bench.emulation, bench.engine, bench.key, "mine", sweep)
    bench.engine.submit(bench.key, "mine")
    gate.wait()
    bench.stop()

    again = benches.start(HostRuntime())
    gate.open()

    assert again.end_of("mine") == "Completed"
    assert (again.status("mine_0"), again.status("mine_1")) == ("Completed", "Completed")
    assert again.state.get("job", again.key.storage_key, "mine_2") is None

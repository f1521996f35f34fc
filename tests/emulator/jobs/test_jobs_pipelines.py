"""Pipelines on the engine: no server, and no client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mlflow_azureml_backend.emulator.job_creation import children, create_job
from mlflow_azureml_backend.emulator.jobs.pace import Pace
from mlflow_azureml_backend.emulator.jobs.status import JobStatus
from mlflow_azureml_backend.emulator.jobs.stepping import advance
from mlflow_azureml_backend.emulator.pipeline_body import new_pipeline
from mlflow_azureml_backend.emulator.pipelines.step_body import step_job_name
from mlflow_azureml_backend.emulator.runtimes.host import HostRuntime

if TYPE_CHECKING:
    from collections.abc import Callable

# What the fixtures of `conftest.py` give; it cannot be imported from.
Bench = Benches = Gate = Any


def submit(bench: Bench, commands: dict[str, str], **properties: Any) -> None:
    """Submit a pipeline of steps that write `outputs.out`, and read `inputs.NAME` of others."""
    steps = {}
    for name, command in commands.items():
        needs = [other for other in commands if f"inputs.{other}" in command]
        spec = {
            "type": "command",
            "command": command,
            "environment": f"azureml:{bench.key.arm_id}/environments/conda/versions/1",
            "inputs": {other: {"type": "uri_folder"} for other in needs},
            "outputs": {"out": {"type": "uri_folder"}},
        }
        bench.state.put("component", bench.key.storage_key, name, "1", {"componentSpec": spec})
        steps[name] = {
            "componentId": f"{bench.key.arm_id}/components/{name}/versions/1",
            "inputs": {
                other: {
                    "job_input_type": "literal",
                    "value": f"${{{{parent.jobs.{other}.outputs.out}}}}",
                }
                for other in needs
            },
        }
    compute = f"{bench.key.arm_id}/computes/cpu-cluster"
    sent = {"experimentName": "tests", "computeId": compute, "jobs": steps, **properties}
    create_job(bench.emulation, bench.engine, bench.key, "mine", new_pipeline("mine", sent))
    bench.engine.submit(bench.key, "mine")


def statuses(bench: Bench) -> dict[str, str]:
    """Say where the steps are that have begun, by their names."""
    found = (
        bench.state.get("job", bench.key.storage_key, name)
        for name in children(bench.state, bench.key, "mine")
    )
    return {job.body["displayName"]: job.body["status"] for job in found}


@pytest.mark.parametrize(("goes_on", "other"), [(False, "Canceled"), (True, "Completed")])
def test_a_failed_step_ends_the_pipeline_at_once_or_when_all_that_can_run_has_ended(
    bench: Bench, make_gate: Callable[[str], Gate], *, goes_on: bool, other: str
) -> None:
    begun, gate = make_gate("begun"), make_gate("gate")
    submit(
        bench,
        {
            "fails": f"{begun.stay}; exit 7",
            "other": f"{gate.reach}; {gate.stay if not goes_on else 'true'}",
            "next": "cat ${{inputs.fails}}",
        },
        settings={"continue_on_step_failure": goes_on},
    )
    gate.wait()
    begun.open()

    assert bench.end_of("mine") == "Failed"
    assert statuses(bench) == {"fails": "Failed", "other": other}
    assert "Pipeline has some failed steps." in bench.error("mine")
    assert "fails (" in bench.error("mine")
    log = bench.artifact("logs/azureml/executionlogs.txt", "mine")
    assert ("Execution of experiment failed" in log) is not goes_on


def test_canceling_a_pipeline_cancels_its_steps_and_begins_no_more(
    bench: Bench, gate: Gate
) -> None:
    submit(bench, {"first": f"{gate.reach}; {gate.stay}", "next": "cat ${{inputs.first}}"})
    gate.wait()

    assert bench.engine.cancel(bench.key, "mine")

    assert bench.end_of("mine") == "Canceled"
    assert statuses(bench) == {"first": "Canceled"}
    summary = bench.tracking.summary(bench.key, children(bench.state, bench.key, "mine")[0])
    assert (summary.status, summary.run_name) == ("KILLED", "first")
    assert summary.tags["mlflow.parentRunId"] == "mine"


def test_a_pipeline_goes_on_after_a_restart_with_the_steps_it_had(
    bench: Bench, benches: Benches, gate: Gate
) -> None:
    hand_on = "cp ${{inputs.first}}/text ${{outputs.out}}"
    submit(
        bench,
        {
            "first": "echo one > ${{outputs.out}}/text",
            "second": f"{gate.reach}; {gate.stay}; {hand_on}",
            "third": "cat ${{inputs.second}}/text",
        },
    )
    gate.wait()
    bench.stop()

    again = benches.start(HostRuntime())
    gate.open()

    assert again.end_of("mine") == "Completed"
    assert again.log(children(again.state, again.key, "mine")[2]) == "one\n"
    log = again.artifact("logs/azureml/executionlogs.txt", "mine")
    assert log.count("Submitting 1 runs") == 3
    assert log.count("Completing processing run id") == 3


def test_a_held_pipeline_and_its_steps_are_taken_on_one_by_one(bench: Bench) -> None:
    def advanced(name: str, to: JobStatus, seconds: float = 60.0) -> Any:
        at = JobStatus(bench.status(name))
        return advance(bench.engine, bench.key, name, at, to=to, seconds=seconds)

    bench.engine.paces.change(bench.key, Pace(held=True, seconds=0.0))
    submit(bench, {"only": "true"})
    assert bench.status("mine") == "Preparing"

    step = step_job_name(bench.key, "mine", "only")
    bench.engine.paces.permit(bench.key, step, JobStatus.RUNNING)
    assert advanced("mine", JobStatus.RUNNING).reached
    bench.state.wait_for(lambda: bench.state.statuses[step][-1:] == ["Running"])

    waiting = advanced("mine", JobStatus.COMPLETED, seconds=0.0)
    assert (waiting.reached, waiting.reason) == (False, "its steps have not ended")
    assert advanced(step, JobStatus.COMPLETED).status is JobStatus.COMPLETED
    assert bench.end_of("mine") == "Completed"

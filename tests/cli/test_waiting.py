"""Several runs are waited for by looking at each, and no trouble on the way ends it early."""

from __future__ import annotations

import pytest

from mlflow_azureml_backend.errors import NotFoundError, UnavailableError
from mlflow_azureml_backend.job import JobHandle, JobStatus, WorkspaceRef
from mlflow_azureml_backend.runs import FoundRun
from mlflow_azureml_backend.runs.waiting import LOST_CONTACT_SECONDS, wait_for_all

R, C, F = JobStatus.RUNNING, JobStatus.COMPLETED, JobStatus.FAILED
REF = WorkspaceRef(subscription_id="s", resource_group="g", workspace_name="w")


class Clock:
    def __init__(self):
        self.now = 0.0
        self.pauses = []

    def __call__(self):
        return self.now

    def pause(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


class Run:
    """A run whose looks give these statuses or errors; the last one for ever."""

    def __init__(self, *looks):
        self.looks = list(looks)
        self.completed = 0

    @property
    def job_status(self):
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, Exception):
            raise look
        return look

    def get_status(self):
        self.completed += 1
        return "FINISHED"


def wait(*runs, **options):
    clock = Clock()
    named = [
        (FoundRun(handle=JobHandle(workspace=REF, job_name=f"job{n}"), run_id=f"run{n}"), run)
        for n, run in enumerate(runs)
    ]
    states = wait_for_all(named, pause=clock.pause, clock=clock, **options)
    return states, clock


def test_each_run_is_completed_once_when_its_job_has_ended():
    first, second, seen = Run(R, R, R, C), Run(F), []
    states, _ = wait(first, second, on_change=lambda state: seen.append(state.status))

    assert [state.status for state in states] == [C, F]
    assert (first.completed, second.completed) == (1, 1)
    assert seen == [R, F, C]


def test_the_pauses_grow_in_silence_and_end_at_the_timeout():
    states, clock = wait(Run(R), timeout=120)

    assert states[0].status is R
    assert not states[0].has_ended
    assert clock.now == pytest.approx(120)
    assert max(clock.pauses) == 15.0


def test_trouble_is_waited_out():
    trouble = [UnavailableError("no answer")] * 5
    states, _ = wait(Run(R, *trouble, C))

    assert states[0].status is C
    assert states[0].error is None


def test_a_run_out_of_contact_is_given_up_and_the_others_are_not():
    states, clock = wait(Run(R, UnavailableError("no answer")), Run(R, R, C))

    assert [state.status for state in states] == [R, C]
    assert "No contact for" in states[0].error
    assert clock.now > LOST_CONTACT_SECONDS


def test_a_job_that_is_gone_is_an_error():
    with pytest.raises(NotFoundError):
        wait(Run(R, NotFoundError("deleted")))

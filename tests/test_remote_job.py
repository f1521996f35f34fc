"""A job is found or was never submitted; a cancellation is asked for until it is heard."""

import pytest

from mlflow_azureml_backend.errors import (
    ForbiddenError,
    NotFoundError,
    SubmissionError,
    UnavailableError,
)
from mlflow_azureml_backend.job import EMULATOR, JobHandle
from mlflow_azureml_backend.remote_job import find_job, request_cancel

UNTAGGED = JobHandle(workspace=EMULATOR, job_name="job_1")
TAGGED = JobHandle(workspace=EMULATOR, job_name="job_1", studio_url="https://ml.azure.com/job_1")


class Finder:
    def __init__(self, *, there):
        self.there = there

    def handle(self, job_name):
        if not self.there:
            raise NotFoundError(f"There is no job '{job_name}'.")
        return TAGGED


class Session:
    run_id = "run_1"

    def __init__(self, noted=None):
        self.noted = noted
        self.heard = []

    def submitted(self, handle):
        self.heard.append(handle)

    def failed_to_submit(self, reason):
        self.heard.append(reason)
        return self.noted or reason


def test_a_job_whose_client_died_before_it_tagged_the_run_is_found_and_tagged():
    session = Session()
    assert find_job(Finder(there=True), UNTAGGED, session) == TAGGED
    assert session.heard == [TAGGED]


def test_a_run_that_is_tagged_stays_as_it_is():
    session = Session()
    assert find_job(Finder(there=True), TAGGED, session) == TAGGED
    assert session.heard == []


def test_a_job_that_was_never_submitted_ends_the_run():
    session = Session()
    with pytest.raises(SubmissionError, match=r"'job_1' of MLflow run 'run_1', which is FAILED"):
        find_job(Finder(there=False), UNTAGGED, session, patience=0)
    [reason] = session.heard
    assert "ended before it had submitted" in reason


def test_the_reason_that_was_noted_at_submission_is_told():
    with pytest.raises(SubmissionError, match="never submitted: out of quota"):
        find_job(Finder(there=False), UNTAGGED, Session(noted="out of quota"), patience=0)


def test_a_job_that_is_gone_is_not_taken_for_one_that_was_never_submitted():
    session = Session()
    with pytest.raises(NotFoundError):
        find_job(Finder(there=False), TAGGED, session)
    assert session.heard == []


class Service:
    def __init__(self, *answers):
        self.answers = list(answers)

    def cancel(self, job_name):
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer


class Notes:
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def test_a_cancellation_is_asked_for_until_the_service_answers(monkeypatch):
    monkeypatch.setattr("time.sleep", list[float]().append)
    service, notes = Service(UnavailableError("503"), UnavailableError("503"), None), Notes()
    request_cancel(service, "job_1", notes)
    assert service.answers == []
    assert notes.notes == ["The service does not answer; it is asked again. 503"]


def test_a_cancellation_that_is_refused_is_not_asked_for_again():
    with pytest.raises(ForbiddenError):
        request_cancel(Service(ForbiddenError("403"), None), "job_1", Notes())

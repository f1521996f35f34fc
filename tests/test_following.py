"""Whoever waits may be interrupted; the follower goes on where it was."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.follow import LogSelection, SilentDisplay
from mlflow_azureml_backend.following import Following
from mlflow_azureml_backend.job import JobDetails, JobStatus, LogPart

LOG = "user_logs/std_log.txt"


class Service:
    """A job that prints a line a look, and ends when it is told to."""

    def __init__(self):
        self.log = b""
        self.looks = 0
        self.status = JobStatus.RUNNING

    def details(self, job_name, *, brief=False):
        self.looks += 1
        if self.status is JobStatus.RUNNING:
            self.log += b"line %d\n" % self.looks
        return JobDetails(status=self.status, log_files={LOG: "https://h/log"})

    def read_log(self, url, *, offset, size):
        return LogPart(data=self.log[offset : offset + size], size=len(self.log))

    def cancel(self, job_name):
        self.status = JobStatus.CANCELED


class Lines(SilentDisplay):
    def __init__(self):
        self.lines = []

    def line(self, line):
        self.lines.append(line.text)


class Job:
    def __init__(self):
        self.service, self.display, self.outcomes = Service(), Lines(), []
        self.looks = []
        self.following = Following(
            self.service,
            "job_1",
            self.display,
            selection=LogSelection(),
            queue_timeout=None,
            link=None,
            on_look=self.looks.append,
            on_end=self.end,
        )

    def end(self, outcome):
        self.outcomes.append(outcome.status)

    def printed(self):
        return self.service.log.decode().splitlines()


@pytest.fixture
def job():
    return Job()


def interrupt():
    raise KeyboardInterrupt


def test_an_interrupt_stops_the_follower_and_the_next_wait_takes_it_up(job):
    with pytest.raises(KeyboardInterrupt):
        job.following.wait(interrupt)
    looks = job.service.looks
    assert looks >= 1
    # What was printed after the last read is read by the next wait.
    assert job.display.lines == job.printed()[: len(job.display.lines)]
    assert not job.outcomes

    job.service.status = JobStatus.COMPLETED
    assert job.following.wait(lambda: None).succeeded
    assert job.display.lines == job.printed()
    assert job.outcomes == [JobStatus.COMPLETED]


def test_many_threads_wait_for_one_follower(job):
    with ThreadPoolExecutor() as threads:
        waits = [threads.submit(job.following.wait, lambda: None) for _ in range(4)]
        with pytest.raises(KeyboardInterrupt):
            job.following.wait(interrupt)
        job.service.cancel("job_1")
        assert {wait.result(30).status for wait in waits} == {JobStatus.CANCELED}
    assert job.display.lines == job.printed()
    assert job.outcomes == [JobStatus.CANCELED]


def test_an_end_that_fails_is_told_and_tried_again_by_the_next_wait(job):
    job.service.status = JobStatus.COMPLETED
    troubles = [TrackingError("locked")]

    def end(outcome):
        if troubles:
            raise troubles.pop()
        job.outcomes.append(outcome.status)

    job.following._on_end = end
    with pytest.raises(TrackingError, match="locked"):
        job.following.wait(lambda: None)
    assert job.following.wait(lambda: None).succeeded
    assert job.outcomes == [JobStatus.COMPLETED]

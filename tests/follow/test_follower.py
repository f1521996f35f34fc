"""A job is followed to its end: every byte once, in order, through every failure."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_azureml_backend.errors import (
    AuthenticationError,
    FollowError,
    ForbiddenError,
    UnavailableError,
)
from mlflow_azureml_backend.follow import Follower, LineKind, SilentDisplay
from mlflow_azureml_backend.follow.pace import LONGEST, SHORTEST
from mlflow_azureml_backend.job import JobDetails, JobStatus, LogPart

LOG = "user_logs/std_log.txt"
RANKS = [f"user_logs/std_log_process_{rank:02}.txt" for rank in range(3)]
BUILD = "azureml-logs/20_image_build_log.txt"


class Clock:
    """Time that passes only while somebody pauses."""

    def __init__(self):
        self.now = 1000.0
        self.pauses = []

    def pause(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds

    def __call__(self):
        return self.now


class ScriptedService:
    """A job that is as each step of a script says; a step may be an error.

    A step is (status, {path: bytes so far}); each look takes the next, the last one stays.
    """

    def __init__(self, *script, most=7, **details):
        self.script = list(script)
        self.most = most
        self.details_given = details
        self.files = {}
        self.looks = 0
        self.cancels = 0
        self.delivered = {}
        self.failing_reads = []
        self.failing_cancels = []
        self.looked_at, self.read_at, self.expired_looks = [], [], 0
        self.clock = lambda: 0.0

    def details(self, job_name, *, brief=False):
        assert brief
        assert job_name == "job_1"
        step = self.script[min(self.looks, len(self.script) - 1)]
        self.looks += 1
        self.looked_at.append(self.clock())
        if isinstance(step, Exception):
            raise step
        status, self.files = step
        return JobDetails(
            status=JobStatus(status),
            # A new URL at every look, as signed URLs are.
            log_files={path: f"{path}?look={self.looks}" for path in self.files},
            **self.details_given,
        )

    def read_log(self, url, *, offset, size):
        path, _, look = url.partition("?look=")
        self.read_at.append((path, self.clock()))
        assert int(look) > self.expired_looks, "the URL had expired"
        if self.failing_reads and (error := self.failing_reads.pop(0)):
            raise error
        assert offset == len(self.delivered.get(path, b"")), "a byte was skipped or read twice"
        piece = self.files[path][offset : offset + min(size, self.most)]
        self.delivered[path] = self.delivered.get(path, b"") + piece
        return LogPart(data=piece, size=len(self.files[path]))

    def cancel(self, job_name):
        assert job_name == "job_1"
        if self.failing_cancels:
            raise self.failing_cancels.pop(0)
        self.cancels += 1


class Recorder(SilentDisplay):
    """A display that remembers."""

    def __init__(self):
        self.lines = []
        self.states = []
        self.build_lines = []
        self.notes = []
        self.statuses = []

    def note(self, text):
        self.notes.append(text)

    def status(self, status, elapsed):
        self.statuses.append((status.value, elapsed))

    def line(self, line):
        if line.kind is LineKind.UNFINISHED:
            self.states.append(line.text)
        elif line.from_build:
            self.build_lines.append(line.text)
        else:
            self.lines.append((line.rank, line.text))

    def outcome(self, outcome):
        del outcome
        raise AssertionError("the outcome is told by who called follow")

    def texts(self, rank=None):
        return [text for whose, text in self.lines if whose == rank]


@pytest.fixture
def clock():
    return Clock()


def follow(service, clock, on_look=None, **keywords):
    display, service.clock = Recorder(), clock
    follower = Follower(service, "job_1", display, pause=clock.pause, clock=clock, **keywords)
    return follower.follow(on_look or (lambda _details: None)), display


def test_a_job_is_shown_from_start_to_end(clock):
    service = ScriptedService(
        ("Starting", {}),
        ("Queued", {}),
        ("Running", {LOG: b"one\n"}),
        ("Running", {LOG: b"one\ntwo\nthr"}),
        ("Finalizing", {LOG: b"one\ntwo\nthree\n"}),
        ("Completed", {LOG: b"one\ntwo\nthree\nlast"}),
    )
    outcome, display = follow(service, clock)
    assert display.texts() == ["one", "two", "three", "last"]
    assert [status for status, _ in display.statuses] == [
        "Starting",
        "Queued",
        "Running",
        "Finalizing",
    ]
    assert outcome.succeeded
    assert service.cancels == 0


def test_a_status_is_told_once_with_the_time_since_the_start(clock):
    service = ScriptedService(("Queued", {}), ("Queued", {}), ("Running", {}), ("Completed", {}))
    _, display = follow(service, clock)
    (_, first), (_, second) = display.statuses
    assert first == 0
    assert second == pytest.approx(sum(clock.pauses[:2]))


def test_a_job_that_had_ended_already_prints_its_whole_log(clock):
    service = ScriptedService(("Completed", {LOG: b"a\nb\nc", BUILD: b"built\n"}))
    outcome, display = follow(service, clock)
    assert display.texts() == ["a", "b", "c"]
    assert display.build_lines == ["built"]
    assert outcome.status is JobStatus.COMPLETED
    assert clock.pauses == []


def test_every_rank_is_shown_by_its_number(clock):
    files = {path: f"{path[-6:-4]} one\n{path[-6:-4]} two".encode() for path in RANKS}
    service = ScriptedService(("Running", {RANKS[0]: b"00 one\n"}), ("Completed", files))
    _, display = follow(service, clock)
    for rank in range(3):
        assert display.texts(rank) == [f"0{rank} one", f"0{rank} two"]


def test_a_file_that_appears_between_the_last_two_looks_is_not_lost(clock):
    service = ScriptedService(
        ("Running", {}),
        ("Completed", {RANKS[0]: b"zero\n"}),
        ("Completed", {RANKS[0]: b"zero\nmore\n", RANKS[1]: b"one\n"}),
    )
    _, display = follow(service, clock)
    assert display.lines == [(0, "zero"), (0, "more"), (1, "one")]


def test_files_that_are_not_the_users_are_not_read(clock):
    service = ScriptedService(
        ("Completed", {LOG: b"x\n", "system_logs/a.log": b"s\n", "outputs/m.txt": b"m\n"})
    )
    _, display = follow(service, clock)
    assert display.lines == [(None, "x")]
    assert set(service.delivered) == {LOG}


@pytest.mark.parametrize("error", [UnavailableError("503"), ForbiddenError("SAS expired")])
def test_a_look_that_fails_is_taken_again(clock, error):
    service = ScriptedService(
        error, ("Running", {LOG: b"one\n"}), error, error, ("Completed", {LOG: b"one\ntwo\n"})
    )
    outcome, display = follow(service, clock)
    assert display.texts() == ["one", "two"]
    assert outcome.succeeded


@pytest.mark.parametrize("failing", range(8))
def test_a_log_read_that_fails_goes_on_at_the_exact_byte(clock, failing):
    text = b"one\ntwo\nthree\nfour\n"
    service = ScriptedService(("Running", {LOG: text[:11]}), ("Completed", {LOG: text}), most=4)
    service.failing_reads = [None] * failing + [UnavailableError("reset"), ForbiddenError("SAS")]
    _, display = follow(service, clock)
    assert display.texts() == ["one", "two", "three", "four"]
    assert service.delivered == {LOG: text}


def test_the_final_look_may_fail_as_well(clock):
    service = ScriptedService(
        ("Completed", {LOG: b"one\nla"}),
        UnavailableError("503"),
        ("Completed", {LOG: b"one\nlast"}),
    )
    outcome, display = follow(service, clock)
    assert display.texts() == ["one", "last"]
    assert outcome.succeeded


@pytest.mark.parametrize("error", [UnavailableError("no route"), AuthenticationError("expired")])
def test_contact_lost_for_ten_minutes_is_an_error_that_leaves_the_job_alone(clock, error):
    service = ScriptedService(("Running", {LOG: b"one\n"}), error)
    with pytest.raises(FollowError, match="No contact with job 'job_1' for 10 minutes") as caught:
        follow(service, clock)
    assert str(error) in str(caught.value)
    assert caught.value.__cause__ is error
    assert 600 < clock.now - 1000 < 660
    assert service.cancels == 0


def test_contact_that_comes_back_in_time_starts_the_ten_minutes_anew(clock):
    # At most 15 seconds a pause: 35 failures are less than ten minutes, twice 35 are more.
    failures = [UnavailableError("503")] * 35
    service = ScriptedService(
        *failures, ("Running", {}), *failures, ("Running", {}), ("Completed", {})
    )
    outcome, _ = follow(service, clock)
    assert outcome.succeeded
    assert clock.now - 1000 > 600


def test_an_error_that_is_none_of_the_services_is_not_waited_out(clock):
    with pytest.raises(ZeroDivisionError):
        follow(ScriptedService(("Running", {}), ZeroDivisionError()), clock)


def gaps(moments):
    return [later - former for former, later in itertools.pairwise(moments)]


def test_looks_become_rare_while_nothing_happens_and_frequent_with_news(clock):
    quiet = [("Running", {LOG: b"a\n"})] * 40
    news = [("Running", {LOG: b"a\nb\n"})] * 3
    service = ScriptedService(*quiet, *news, ("Completed", {LOG: b"a\nb\n"}))
    service.clock = clock
    follow(service, clock)
    waited = gaps(service.looked_at)
    assert waited[0] == pytest.approx(SHORTEST)
    assert waited[:39] == sorted(waited[:39])
    assert waited[38] == pytest.approx(LONGEST)
    assert waited[41] == pytest.approx(SHORTEST, abs=0.6)
    assert max(waited) == pytest.approx(LONGEST)


def test_each_look_is_told_to_who_asked_the_last_one_included(clock):
    seen = []
    service = ScriptedService(("Queued", {}), ("Running", {}), ("Failed", {}))
    follow(service, clock, on_look=lambda details: seen.append(details.status.value))
    assert seen == ["Queued", "Running", "Failed"]


@pytest.mark.parametrize(
    ("status", "succeeded"), [("Completed", True), ("Failed", False), ("Canceled", False)]
)
def test_the_outcome_tells_status_error_and_duration(clock, status, succeeded):
    service = ScriptedService(
        (status, {}),
        error=None if succeeded else "UserError: exit 1",
        start_time="2024-05-01T10:00:00.1234567+00:00",
        end_time="2024-05-01T10:01:30.1234567+00:00",
    )
    outcome, _ = follow(service, clock)
    assert outcome.status is JobStatus(status)
    assert outcome.succeeded is succeeded
    assert outcome.error == (None if succeeded else "UserError: exit 1")
    assert outcome.duration == 90


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [
        ("2024-05-01T10:00:00Z", "2024-05-01T10:00:05Z", 5),
        ("2024-05-01T10:00:00.5Z", "2024-05-01T10:00:01.25+00:00", 0.75),
        ("2024-05-01T10:00:00.1234567Z", "2024-05-01T10:00:00.1234569Z", 0),
        ("2024-05-01T10:00:00-05:00", "2024-05-01T15:00:01Z", 1),
        ("2024-05-01T10:00:00.5-05:00", "2024-05-01T15:00:01Z", 0.5),
        ("2024-05-01T10:00:00", "2024-05-01T10:00:02Z", 2),
        (None, "2024-05-01T10:00:00Z", None),
        ("2024-05-01T10:00:00Z", None, None),
        ("", "", None),
        ("soon", "2024-05-01T10:00:00Z", None),
    ],
)
def test_a_duration_is_read_from_any_spelling_of_the_service(clock, start, end, seconds):
    service = ScriptedService(("Completed", {}), start_time=start, end_time=end)
    outcome, _ = follow(service, clock)
    assert outcome.duration == seconds


def test_a_job_that_does_not_start_in_time_is_cancelled_once(clock):
    service = ScriptedService(*[("Queued", {})] * 40, ("CancelRequested", {}), ("Canceled", {}))
    outcome, display = follow(service, clock, queue_timeout=60)
    assert service.cancels == 1
    assert len(display.notes) == 1
    assert "has not started within 60 seconds (queue_timeout)" in display.notes[0]
    assert outcome.status is JobStatus.CANCELED


def test_a_cancel_that_fails_is_asked_for_again_until_it_is_taken(clock):
    service = ScriptedService(*[("Queued", {})] * 40, ("Canceled", {}))
    service.failing_cancels = [UnavailableError("503"), UnavailableError("503")]
    _, display = follow(service, clock, queue_timeout=60)
    assert service.cancels == 1
    assert service.failing_cancels == []
    assert len(display.notes) == 1


@pytest.mark.parametrize("queue_timeout", [None, 10_000])
def test_a_job_that_may_wait_is_not_cancelled(clock, queue_timeout):
    service = ScriptedService(*[("Queued", {})] * 40, ("Completed", {}))
    follow(service, clock, queue_timeout=queue_timeout)
    assert service.cancels == 0


@pytest.mark.parametrize("status", ["Running", "Finalizing", "NotResponding", "SomethingNew"])
def test_a_job_that_has_started_is_not_cancelled_however_long_it_runs(clock, status):
    service = ScriptedService(*[(status, {})] * 40, ("Completed", {}))
    follow(service, clock, queue_timeout=1)
    assert service.cancels == 0


@pytest.mark.parametrize("status", ["NotStarted", "Starting", "Provisioning", "Preparing"])
def test_all_that_comes_before_running_counts_as_waiting(clock, status):
    service = ScriptedService(*[(status, {})] * 40, ("Canceled", {}))
    follow(service, clock, queue_timeout=30)
    assert service.cancels == 1


def test_a_log_can_be_shown_as_it_is_now(clock):
    display = Recorder()
    service = ScriptedService(("Running", {LOG: b"one\ntwo"}))
    Follower(service, "job_1", display, pause=clock.pause, clock=clock).show_log()
    assert display.texts() == ["one", "two"]
    assert clock.pauses == []


texts = st.lists(st.sampled_from([b"a", b"\n", "é".encode(), b"\r", b"bc\n"]), max_size=20).map(
    b"".join
)


@settings(max_examples=60, deadline=None)
@given(
    contents=st.lists(texts, min_size=1, max_size=3),
    looks=st.lists(
        st.one_of(
            st.none(),
            st.tuples(*[st.integers(min_value=0, max_value=40)] * 3),
        ),
        max_size=8,
    ),
    failing_reads=st.lists(st.booleans(), max_size=20),
    most=st.integers(min_value=1, max_value=9),
)
def test_every_byte_is_shown_once_and_in_order_whatever_happens(
    contents, looks, failing_reads, most
):
    whole = dict(zip(RANKS, contents, strict=False))
    lengths = dict.fromkeys(whole, 0)
    script = []
    for look in looks:
        if look is None:
            script.append(UnavailableError("503"))
            continue
        for path, length in zip(whole, look, strict=False):
            lengths[path] = max(lengths[path], min(length, len(whole[path])))
        # A file that is still empty has not appeared yet.
        files = {path: whole[path][:length] for path, length in lengths.items() if length}
        script.append(("Running", files))
    service = ScriptedService(*script, ("Completed", whole), most=most)
    service.failing_reads = [UnavailableError("reset") if fail else None for fail in failing_reads]
    _, display = follow(service, Clock())
    assert service.delivered == whole
    for rank, content in enumerate(contents):
        alone = ScriptedService(("Completed", {RANKS[rank]: content}), most=1000)
        _, expected = follow(alone, Clock())
        assert display.texts(rank) == expected.texts(rank)

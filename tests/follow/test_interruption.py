"""Whatever hangs, Ctrl-C ends the following at once, and what follows goes on where it was."""

import signal
import threading
import time

import pytest

from mlflow_azureml_backend.follow import Follower, SilentDisplay
from mlflow_azureml_backend.job import JobDetails, JobStatus, LogPart

LOG, OTHER = "user_logs/std_log_process_0.txt", "user_logs/std_log_process_1.txt"
TEXT = b"".join(b"line %d\n" % number for number in range(50))

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX signals")


class Hanging:
    """A service of which one request hangs until the test lets it go."""

    def __init__(self, what):
        self.what = what
        self.free = threading.Event()
        self.status = JobStatus.RUNNING
        self.offsets = []

    def _perhaps_hang(self, what):
        if what == self.what:
            self.free.wait(30)

    def details(self, _job, *, brief):
        self._perhaps_hang("details")
        return JobDetails(status=self.status, log_files={LOG: LOG, OTHER: OTHER})

    def read_log(self, url, *, offset, size):
        self._perhaps_hang(url)
        self.offsets.append((url, offset))
        return LogPart(data=TEXT[offset : offset + min(size, 100)], size=len(TEXT))


class Lines(SilentDisplay):
    def __init__(self):
        self.lines = {LOG: [], OTHER: []}

    def line(self, line):
        self.lines[line.path].append(line.text)


@pytest.fixture
def ctrl_c():
    """Press Ctrl-C after so many seconds; give back the moment at which it was pressed."""
    pressed = []

    def press(_signal, _frame):
        pressed.append(time.monotonic())
        raise KeyboardInterrupt

    def press_in(seconds):
        signal.setitimer(signal.ITIMER_REAL, seconds)
        return pressed

    former = signal.signal(signal.SIGALRM, press)
    yield press_in
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, former)


@pytest.mark.parametrize("what", ["details", LOG, "mirroring"])
def test_ctrl_c_is_heeded_while_a_request_hangs(what, ctrl_c):
    service, display = Hanging(what), Lines()
    follower = Follower(service, "job", display)
    mirrored = []

    def mirror(details):
        service._perhaps_hang("mirroring")
        mirrored.append(details.status)

    pressed = ctrl_c(1.5)
    with pytest.raises(KeyboardInterrupt):
        follower.follow(mirror)
    assert time.monotonic() - pressed[0] < 1
    if what != "details":
        # What hangs holds up no other file.
        assert display.lines[OTHER] == TEXT.decode().splitlines()

    service.free.set()
    service.status = JobStatus.COMPLETED
    assert follower.follow(mirror).succeeded
    for path in (LOG, OTHER):
        assert display.lines[path] == TEXT.decode().splitlines()
    assert mirrored[-1] is JobStatus.COMPLETED


def test_an_interruption_between_lines_loses_and_repeats_none(ctrl_c):
    service = Hanging(None)
    service.status = JobStatus.COMPLETED

    class Interrupted(Lines):
        shown = 0

        def line(self, line):
            self.shown += 1
            if self.shown % 7 == 0:
                raise KeyboardInterrupt
            super().line(line)

    display = Interrupted()
    follower = Follower(service, "job", display)
    interruptions = 0
    while True:
        try:
            follower.follow(lambda _details: None)
            break
        except KeyboardInterrupt:
            interruptions += 1
    assert interruptions > 10
    assert list(display.lines.values()) == [TEXT.decode().splitlines()] * 2

"""SIGTERM and SIGHUP end a process with a shell's code where nobody else wants them."""

import os
import signal
import sys
import threading

import pytest

from mlflow_azureml_backend.termination import exit_on_termination

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows kills without a signal")
SIGNALS = [signal.SIGTERM, *([signal.SIGHUP] if sys.platform != "win32" else [])]


@pytest.fixture(autouse=True)
def handled_by_nobody():
    """Take away the handlers that other tests' servers left in this process."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_exits_inside_the_block_alone(number):
    def end():
        with exit_on_termination():
            os.kill(os.getpid(), number)
            signal.pause()

    with pytest.raises(SystemExit) as caught:
        end()
    assert caught.value.code == 128 + number
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_signal_that_is_ignored_or_handled_stays_so():
    heard = []
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *arguments: heard.append(arguments[0]))
    try:
        with exit_on_termination():
            os.kill(os.getpid(), signal.SIGHUP)
            os.kill(os.getpid(), signal.SIGTERM)
        assert heard == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_another_thread_changes_no_handlers():
    seen = []

    def enter():
        with exit_on_termination():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_DFL]

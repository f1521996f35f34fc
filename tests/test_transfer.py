"""A transfer is shown when it takes longer than a second, and only on a terminal."""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import termios
import threading

import pytest

from mlflow_azureml_backend import transfer
from mlflow_azureml_backend.transfer import Transfer


class Terminal:
    """A terminal of our own, and what was written to it."""

    def __init__(self, monkeypatch):
        self._monkeypatch = monkeypatch
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
        self.stream = os.fdopen(theirs, "w", buffering=1)
        self.text = ""
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while data := os.read(self._ours, 65536):
            with self._changed:
                self.text += data.decode()
                self._changed.notify_all()

    def transfer(self, *, visible=True):
        """Begin one on this terminal; pytest has put a file of its own in its place until now."""
        self._monkeypatch.setattr(sys, "stderr", self.stream)
        return Transfer(visible=visible)

    def wait_for(self, *words):
        with self._changed:
            found = self._changed.wait_for(lambda: all(w in self.text for w in words), 10)
        assert found, self.text


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    return Terminal(monkeypatch)


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(transfer, "_SECONDS_UNSEEN", 0.01)


def test_what_takes_long_is_shown_with_its_bytes_and_files_however_small_it_is(terminal, soon):
    with terminal.transfer().shown("Uploading [x]", 4_000, files=3) as advance:
        advance(1_000, 1)
        terminal.wait_for("Uploading [x]", "1.0/4.0 kB", "1/3 files")
        advance(2_000, 0)
        terminal.wait_for("3.0/4.0 kB")
        advance(500, 1)
        terminal.wait_for("3.5/4.0 kB", "2/3 files")
    assert transfer._bars._display is None


def test_several_transfers_share_the_terminal(terminal, soon):
    with terminal.transfer().shown("Uploading a", 10), terminal.transfer().shown("b", 20):
        terminal.wait_for("Uploading a", "0/20 bytes")
        print("a line of another thread", file=sys.stderr)
        terminal.wait_for("a line of another thread")
    assert transfer._bars._display is None


def test_what_is_done_soon_is_not_shown(terminal):
    with terminal.transfer().shown("Uploading", 10**9, files=10**6) as advance:
        advance(10**9, 10**6)
    assert terminal.text == ""


def test_what_is_nearly_done_is_not_shown_any_more(terminal, monkeypatch):
    monkeypatch.setattr(transfer, "_SECONDS_UNSEEN", 0.2)
    with terminal.transfer().shown("Uploading", 100) as advance:
        advance(99, 0)
        (first,) = (each for each in threading.enumerate() if isinstance(each, threading.Timer))
        first.join()
    assert terminal.text == ""


def test_nothing_is_shown_where_nobody_wants_it_or_where_there_is_no_terminal(terminal, soon):
    for transfer_elsewhere in (Transfer(visible=True), terminal.transfer(visible=False)):
        before = threading.active_count()
        with transfer_elsewhere.shown("Uploading", 10**9):
            assert threading.active_count() == before
    assert terminal.text == ""

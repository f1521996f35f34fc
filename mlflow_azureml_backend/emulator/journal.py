"""The journal: one line for every request, in a file of limited size that outlives the emulator."""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.faults.scope import storage_account_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MOST_ENTRIES: Final = 50_000
"""So many requests are remembered; then the oldest are forgotten."""

FILE_NAME: Final = "journal.db"
"""The journal's file in the state directory."""

_PRUNED_PART: Final = 10  # a tenth more than the most is there at times
_BATCH_SECONDS: Final = 0.25
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS requests (
    number    INTEGER PRIMARY KEY,
    time      REAL NOT NULL,
    client    TEXT NOT NULL,
    method    TEXT NOT NULL,
    host      TEXT NOT NULL,
    path      TEXT NOT NULL,
    route     TEXT NOT NULL,
    workspace TEXT NOT NULL,
    status    INTEGER,
    received  INTEGER NOT NULL,
    sent      INTEGER NOT NULL,
    seconds   REAL NOT NULL,
    faults    TEXT NOT NULL
)
"""
_LOCK_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Hold what is remembered of one request: never its headers, its query or its body.

    Args:
        number: its place among all requests of the emulator, from 1 on.
        time: when it came, in seconds since 1970.
        client: the beginning of the User-Agent.
        method: the HTTP method; `CONNECT` for tunnels to hosts that are not emulated.
        host: the host that was asked.
        path: the path, without the query.
        route: the template of the route that answered; empty when none did.
        workspace: the ARM id, in lower case, of the workspace the path names; empty when none.
        status: the HTTP status of the answer; None when there was none.
        received: bytes of the request's body.
        sent: bytes of the answer's body.
        seconds: how long it took.
        faults: the faults that struck it, for example `status 429`.
    """

    number: int = 0
    time: float
    client: str
    method: str
    host: str
    path: str
    route: str = ""
    workspace: str = ""
    status: int | None = None
    received: int = 0
    sent: int = 0
    seconds: float = 0.0
    faults: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        return asdict(self)


_NAMES: Final = tuple(each.name for each in fields(Entry))
_VALUES: Final = attrgetter(*_NAMES)  # `dataclasses.astuple` takes forty times as long


class Journal:
    """Remember requests; writing costs the one who asks next to nothing.

    Entries are gathered in memory and written by a thread of their own, several times a second;
    a killed emulator loses the last of them. Every method may be called from any thread.

    Args:
        file: the SQLite file; its folder must exist.
        most: how many entries are kept.
    """

    def __init__(self, file: Path, *, most: int = MOST_ENTRIES) -> None:
        self._most = most
        self._gathered: list[Entry] = []
        self._gathering = threading.Lock()
        self._writing = threading.Lock()
        self._connection = _opened(file)
        row = self._connection.execute("SELECT MAX(number) FROM requests").fetchone()
        self._number = int(row[0] or 0)
        self._pruned = 0
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._writer = threading.Thread(target=self._write_on, name="journal", daemon=True)
        self._writer.start()

    def write(self, entry: Entry) -> None:
        """Remember a request; returns at once."""
        with self._gathering:
            self._gathered.append(entry)
        self._wake.set()

    def read(
        self, *, since: int = 0, limit: int = 1000, workspace: str = "", client: str = ""
    ) -> list[Entry]:
        """Give entries, oldest first.

        Args:
            since: only what follows the entry of this number; 0: the newest there are.
            limit: at most so many; without `since` these are the newest.
            workspace: only requests for the workspace of this ARM id (lower case), also those for
                blobs in its storage account.
            client: only those whose User-Agent contains this, in any case.
        """
        self.flush()
        conditions, values = ["number > ?"], [since]
        arguments: list[Any] = list(values)
        if workspace:
            conditions.append("(workspace = ? OR host = ?)")
            arguments += [workspace, f"{storage_account_of(workspace)}.blob.core.windows.net"]
        if client:
            conditions.append("instr(lower(client), lower(?)) > 0")
            arguments.append(client)
        order = "ASC" if since else "DESC"
        with self._writing:
            rows = self._connection.execute(
                f"SELECT {', '.join(_NAMES)} FROM requests "  # noqa: S608 (names and conditions are ours)
                f"WHERE {' AND '.join(conditions)} ORDER BY number {order} LIMIT ?",
                [*arguments, limit],
            ).fetchall()
        found = [_entry(row) for row in rows]
        return found if since else found[::-1]

    def flush(self) -> None:
        """Write what was gathered."""
        with self._writing:
            with self._gathering:
                gathered, self._gathered = self._gathered, []
            if not gathered:
                return
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(
                f"INSERT INTO requests ({', '.join(_NAMES)}) "  # noqa: S608 (the names are ours)
                f"VALUES ({', '.join('?' * len(_NAMES))})",
                self._rows(gathered),
            )
            if self._number - self._pruned >= self._most // _PRUNED_PART:
                self._pruned = self._number
                self._connection.execute(
                    "DELETE FROM requests WHERE number <= ?", [self._number - self._most]
                )
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Write what is left and close the file."""
        self._closed.set()
        self._wake.set()
        self._writer.join()
        self.flush()
        with self._writing:
            self._connection.close()

    def _rows(self, entries: Iterable[Entry]) -> Iterable[tuple[Any, ...]]:
        for entry in entries:
            self._number += 1
            _, *values, faults = _VALUES(entry)
            yield (self._number, *values, json.dumps(faults))

    def _write_on(self) -> None:
        while not self._closed.is_set():
            self._wake.wait()
            self._wake.clear()
            # Requests come in bursts: a transaction for many costs hardly more than one for one.
            self._closed.wait(_BATCH_SECONDS)
            self.flush()


def read_closed(file: Path, **filters: Any) -> list[Entry]:
    """Read the journal of an emulator that does not run.

    Args:
        file: the SQLite file; no entries when there is none.
        filters: as `Journal.read` takes them.
    """
    if not file.exists():
        return []
    journal = Journal(file)
    try:
        return journal.read(**filters)
    finally:
        journal.close()


def _opened(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        file, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA journal_mode = WAL")
    # What a power cut takes away of a journal is no loss; a killed process takes nothing.
    connection.execute("PRAGMA synchronous = OFF")
    connection.executescript(_SCHEMA)
    return connection


def _entry(row: tuple[Any, ...]) -> Entry:
    named = dict(zip(_NAMES, row, strict=True))
    return Entry(**{**named, "faults": tuple(json.loads(named["faults"]))})

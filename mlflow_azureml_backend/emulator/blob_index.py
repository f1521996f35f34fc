"""What is known of blobs besides their bytes: one SQLite file for all storage accounts."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS containers (
    account TEXT NOT NULL, container TEXT NOT NULL, created REAL NOT NULL,
    PRIMARY KEY (account, container)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blobs (
    account TEXT NOT NULL, container TEXT NOT NULL, name TEXT NOT NULL,
    content TEXT NOT NULL, metadata TEXT NOT NULL, append INTEGER NOT NULL,
    revision INTEGER NOT NULL, created REAL NOT NULL, modified REAL NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0, appending INTEGER,
    PRIMARY KEY (account, container, name)
) WITHOUT ROWID;
"""
_LATER_COLUMNS: Final = ("generation INTEGER NOT NULL DEFAULT 0", "appending INTEGER")
_COLUMNS: Final = (
    "name, content, metadata, append, revision, generation, appending, created, modified"
)
_GET: Final = f"SELECT {_COLUMNS} FROM blobs WHERE account = ? AND container = ? AND name = ?"  # noqa: S608
_PUT: Final = (
    f"INSERT INTO blobs (account, container, {_COLUMNS}) "  # noqa: S608
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
    "content = excluded.content, metadata = excluded.metadata, append = excluded.append, "
    "revision = excluded.revision, generation = excluded.generation, "
    "appending = excluded.appending, modified = excluded.modified"
)
_LAST_CHARACTER: Final = "\U0010ffff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Hold what is known of one blob besides its bytes.

    Args:
        name: its name in its container.
        content: HTTP headers of its content, for example `Content-Type`.
        metadata: names and values, as they were given.
        append: it is an append blob, not a block blob.
        revision: grows with every change made here.
        generation: which writing of its bytes as a whole; no two have the same.
        appending: the size its file had before the append that is under way; None when none is.
        created: when it was first made, in seconds since the epoch.
        modified: when a change was last made here, in seconds since the epoch.
    """

    name: str
    content: Mapping[str, str]
    metadata: Mapping[str, str]
    append: bool
    revision: int
    generation: int
    appending: int | None
    created: float
    modified: float


class BlobIndex:
    """Keep the records of all blobs; methods may be called from any thread.

    Whoever holds `alone` sees no change by others; a single change needs no more than that.

    Args:
        file: the SQLite file; its folder must exist.
    """

    def __init__(self, file: Path) -> None:
        self.alone = threading.RLock()
        self._containers: dict[tuple[str, str], float] = {}  # none is ever forgotten
        self._connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)
        known = {row[1] for row in self._connection.execute("PRAGMA table_info(blobs)")}
        for column in _LATER_COLUMNS:  # of a file that an older version made
            if column.partition(" ")[0] not in known:
                self._connection.execute(f"ALTER TABLE blobs ADD COLUMN {column}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make what is done inside one change, which happens wholly or not at all."""
        with self.alone:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def add_container(self, account: str, container: str, now: float) -> bool:
        """Remember a container; False when it was known."""
        if (account, container) in self._containers:
            return False
        with self.alone:
            cursor = self._connection.execute(
                "INSERT OR IGNORE INTO containers VALUES (?, ?, ?)", (account, container, now)
            )
            return cursor.rowcount > 0

    def container_created(self, account: str, container: str) -> float | None:
        """Say when a container was made, in seconds since the epoch, or None."""
        known = self._containers.get((account, container))
        if known is None:
            with self.alone:
                row = self._connection.execute(
                    "SELECT created FROM containers WHERE account = ? AND container = ?",
                    (account, container),
                ).fetchone()
            if row is None:
                return None
            known = self._containers[account, container] = float(row[0])
        return known

    def put(self, account: str, container: str, record: Record) -> None:
        """Remember a blob in place of what was known of it; `created` stays."""
        with self.alone:
            self._connection.execute(
                _PUT,
                (
                    account,
                    container,
                    record.name,
                    json.dumps(dict(record.content)),
                    json.dumps(dict(record.metadata)),
                    record.append,
                    record.revision,
                    record.generation,
                    record.appending,
                    record.created,
                    record.modified,
                ),
            )

    def get(self, account: str, container: str, name: str) -> Record | None:
        """Give the record of a blob, or None."""
        with self.alone:
            row = self._connection.execute(_GET, (account, container, name)).fetchone()
        return None if row is None else _record(row)

    def page(
        self, account: str, container: str, prefix: str, after: str, limit: int
    ) -> list[Record]:
        """Give the next records in the order of their names' code points.

        Args:
            account: the storage account.
            container: the container.
            prefix: what the names begin with.
            after: only names that come after this one.
            limit: how many at most.
        """
        with self.alone:
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM blobs WHERE account = ? AND container = ? "  # noqa: S608
                "AND name >= ? AND name <= ? AND name > ? ORDER BY name LIMIT ?",
                (account, container, prefix, prefix + _LAST_CHARACTER, after, limit),
            ).fetchall()
        return [_record(row) for row in rows]

    def appended_to(self) -> list[tuple[str, str, Record]]:
        """Give account, container and record of the blobs that an append is under way to."""
        with self.alone:
            rows = self._connection.execute(
                f"SELECT account, container, {_COLUMNS} FROM blobs "  # noqa: S608
                "WHERE appending IS NOT NULL"
            ).fetchall()
        return [(account, container, _record(tuple(rest))) for account, container, *rest in rows]

    def delete(self, account: str, container: str, name: str) -> bool:
        """Forget a blob; False when it was not known."""
        with self.alone:
            cursor = self._connection.execute(
                "DELETE FROM blobs WHERE account = ? AND container = ? AND name = ?",
                (account, container, name),
            )
            return cursor.rowcount > 0

    def close(self) -> None:
        """Close the file; nothing may be asked afterwards."""
        with self.alone:
            self._connection.close()


def _record(row: tuple[str, str, str, int, int, int, int | None, float, float]) -> Record:
    name, content, metadata, append, revision, generation, appending, created, modified = row
    return Record(
        name=name,
        content=json.loads(content),
        metadata=json.loads(metadata),
        append=bool(append),
        revision=revision,
        generation=generation,
        appending=appending,
        created=created,
        modified=modified,
    )

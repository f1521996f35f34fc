"""The documents of an emulator: one SQLite file that survives a crash."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS documents (
    kind      TEXT NOT NULL,
    workspace TEXT NOT NULL,
    name      TEXT NOT NULL,
    version   TEXT NOT NULL,
    body      TEXT NOT NULL,
    created   REAL NOT NULL,
    modified  REAL NOT NULL,
    PRIMARY KEY (kind, workspace, name, version)
);
DROP INDEX IF EXISTS newest;
CREATE INDEX IF NOT EXISTS by_age ON documents (kind, workspace, created, name, version);
"""
_COLUMNS: Final = "kind, workspace, name, version, body, created, modified"
_LOCK_SECONDS: Final = 30.0
_CHUNK: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Hold one stored document.

    Args:
        kind: what it is, for example `job`.
        workspace: the workspace's ARM id in lower case.
        name: its name.
        version: its version; empty for kinds without versions.
        body: its content; the caller's own copy.
        created: when it was first put, in UTC.
        modified: when it was last put or updated, in UTC.
    """

    kind: str
    workspace: str
    name: str
    version: str
    body: dict[str, Any]
    created: datetime
    modified: datetime


class State:
    """Store JSON documents by kind, workspace, name and version.

    Every call is one transaction, and every method may be called from any thread.

    Args:
        file: the SQLite file; its folder must exist.
    """

    def __init__(self, file: Path) -> None:
        self._lock = threading.RLock()
        # One connection behind one lock: documents are small, and SQLite has one writer anyway.
        self._connection = sqlite3.connect(
            file, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False
        )
        # In WAL mode `NORMAL` loses nothing when the process is killed.
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)

    def put(
        self, kind: str, workspace: str, name: str, version: str, body: Mapping[str, Any]
    ) -> bool:
        """Store a document, replacing one that is there.

        Returns:
            True when it was created, False when it replaced one (whose `created` is kept).
        """
        with self._transaction() as connection:
            known = self._select(connection, kind, workspace, name, version)
            now = _now()
            connection.execute(
                f"INSERT INTO documents ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
                "ON CONFLICT DO UPDATE SET body = excluded.body, modified = excluded.modified",
                (kind, workspace, name, version, json.dumps(body), now, now),
            )
        return known is None

    def get(self, kind: str, workspace: str, name: str, version: str = "") -> Document | None:
        """Give a document, or None."""
        with self._lock:
            return self._select(self._connection, kind, workspace, name, version)

    def list(self, kind: str, workspace: str, name: str | None = None) -> list[Document]:
        """Give the documents of a kind, the newest first.

        Args:
            kind: what to list.
            workspace: the workspace's ARM id in lower case.
            name: only the versions of this name.
        """
        query = f"SELECT {_COLUMNS} FROM documents WHERE kind = ? AND workspace = ?"  # noqa: S608
        values = [kind, workspace]
        if name is not None:
            query += " AND name = ?"
            values.append(name)
        with self._lock:
            rows = self._connection.execute(f"{query} ORDER BY created DESC, rowid DESC", values)
            return [_document(row) for row in rows]

    def newest(
        self, kind: str, workspace: str, after: tuple[float, str, str] | None = None
    ) -> Iterator[Document]:
        """Give the documents of a kind one by one, the newest first; they are read as needed.

        Args:
            kind: what to list.
            workspace: the workspace's ARM id in lower case.
            after: begin behind the document with this time of creation, name and version.
        """
        query = (
            f"SELECT {_COLUMNS} FROM documents WHERE kind = ? AND workspace = ? "  # noqa: S608
            "AND (created, name, version) < (?, ?, ?) "
            "ORDER BY created DESC, name DESC, version DESC LIMIT ?"
        )
        created, name, version = after or (float("inf"), "", "")
        while True:
            values = (kind, workspace, created, name, version, _CHUNK)
            with self._lock:
                rows = self._connection.execute(query, values).fetchall()
            for row in rows:
                yield _document(row)
            if len(rows) < _CHUNK:
                return
            _, _, name, version, _, created, _ = rows[-1]

    def update(
        self,
        kind: str,
        workspace: str,
        name: str,
        version: str,
        change: Callable[[dict[str, Any]], dict[str, Any] | None],
    ) -> Document:
        """Read, change and write a document in one transaction.

        Args:
            kind: what it is.
            workspace: the workspace's ARM id in lower case.
            name: its name.
            version: its version; empty for kinds without versions.
            change: gets the body and gives the one to store; None leaves the stored one as it is.
                It may run only briefly, and an exception from it leaves everything as it was.

        Raises:
            KeyError: there is no such document.
        """
        with self._transaction() as connection:
            found = self._select(connection, kind, workspace, name, version)
            if found is None:
                raise KeyError((kind, workspace, name, version))
            body = change(found.body)
            if body is not None:
                connection.execute(
                    "UPDATE documents SET body = ?, modified = ? "
                    "WHERE kind = ? AND workspace = ? AND name = ? AND version = ?",
                    (json.dumps(body), _now(), kind, workspace, name, version),
                )
            changed = self._select(connection, kind, workspace, name, version)
            if changed is None:  # `change` deleted what it was given to change
                raise KeyError((kind, workspace, name, version))
            return changed

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make all changes of a `with` block one transaction: all of them happen, or none."""
        with self._transaction():
            yield

    def delete(self, kind: str, workspace: str, name: str, version: str = "") -> bool:
        """Forget a document; False when there was none."""
        with self._transaction() as connection:
            cursor = connection.execute(
                "DELETE FROM documents "
                "WHERE kind = ? AND workspace = ? AND name = ? AND version = ?",
                (kind, workspace, name, version),
            )
            return cursor.rowcount > 0

    def close(self) -> None:
        """Close the file; nothing may be asked afterwards."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._connection.in_transaction:
                # A change that itself reads or writes joins the transaction it runs in.
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @staticmethod
    def _select(
        connection: sqlite3.Connection, kind: str, workspace: str, name: str, version: str
    ) -> Document | None:
        row = connection.execute(
            f"SELECT {_COLUMNS} FROM documents "  # noqa: S608
            "WHERE kind = ? AND workspace = ? AND name = ? AND version = ?",
            (kind, workspace, name, version),
        ).fetchone()
        return None if row is None else _document(row)


def _now() -> float:
    return datetime.now(timezone.utc).timestamp()


def _document(row: tuple[str, str, str, str, str, float, float]) -> Document:
    kind, workspace, name, version, body, created, modified = row
    return Document(
        kind=kind,
        workspace=workspace,
        name=name,
        version=version,
        body=json.loads(body),
        created=datetime.fromtimestamp(created, timezone.utc),
        modified=datetime.fromtimestamp(modified, timezone.utc),
    )

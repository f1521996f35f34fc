"""Changes to blobs: each happens wholly or not at all, and readers never see half of one."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.blob_index import BlobIndex, Record
from mlflow_azureml_backend.emulator.blob_info import BlobAddress, BlobInfo, described
from mlflow_azureml_backend.emulator.errors import BlobError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Check = Callable[[BlobInfo | None], None]

_COPY_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Spool:
    """Hold bytes that arrived but belong to no blob yet.

    Args:
        file: where they are.
        md5: base64 of their MD5.
    """

    file: Path
    md5: str


class BlobFiles:
    """Change and describe blobs; methods may be called from any thread.

    A `check` gets the blob that a change would replace, or None, and may refuse the change by
    raising; nothing else changes the blob in between.

    Args:
        root: the folder of all blobs; made when it is missing.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self._incoming = root / ".incoming"  # no account can be called so
        self.index = BlobIndex(root / "index.db")

    def discard_unfinished(self) -> None:
        """Remove what an emulator that was killed had received of blobs; while none runs."""
        shutil.rmtree(self._incoming, ignore_errors=True)

    def put(
        self,
        address: BlobAddress,
        pieces: Iterable[bytes],
        *,
        content: Mapping[str, str],
        metadata: Mapping[str, str] | None = None,
        content_md5: str | None = None,
        append: bool = False,
        check: Check | None = None,
    ) -> BlobInfo:
        """Write a whole blob.

        Args:
            address: the blob; its container is made when it is missing.
            pieces: its bytes.
            content: HTTP headers of its content.
            metadata: names and values.
            content_md5: base64 of the MD5 that the bytes must have.
            append: make it an append blob.
            check: may refuse.

        Raises:
            BlobError: 400 Md5Mismatch.
        """
        file = address.file(self.root)
        with self.spooled(pieces) as spool:
            verify_md5(content_md5, spool.md5)
            with self.index.transaction():
                self.index.add_container(address.account, address.container, time.time())
                if check is not None:
                    check(self.info(address))
                if not append:
                    content = {"Content-MD5": spool.md5, **content}
                self._record(address, content, metadata or {}, append=append)
                file.parent.mkdir(parents=True, exist_ok=True)
                spool.file.replace(file)
                return self._existing(address)

    def describe(
        self,
        address: BlobAddress,
        *,
        content: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
        check: Check | None = None,
    ) -> BlobInfo:
        """Replace what is known of a blob besides its bytes; None leaves that part as it is.

        Raises:
            BlobError: 404 BlobNotFound.
        """
        with self.index.transaction():
            known = self._existing(address)
            if check is not None:
                check(known)
            self._record(
                address,
                known.content if content is None else content,
                known.metadata if metadata is None else metadata,
                append=known.append,
            )
            return self._existing(address)

    def extend(
        self,
        address: BlobAddress,
        pieces: Iterable[bytes],
        *,
        content_md5: str | None,
        check: Callable[[BlobInfo, int], None],
    ) -> tuple[int, BlobInfo]:
        """Append one block to a blob.

        Args:
            address: the blob.
            pieces: the block's bytes.
            content_md5: base64 of the MD5 that they must have.
            check: gets the blob and the block's size, and may refuse.

        Returns:
            Where the block begins, and the blob as it is now.

        Raises:
            BlobError: 404 BlobNotFound, or 400 Md5Mismatch.
        """
        with self.spooled(pieces) as spool, self.index.transaction():
            verify_md5(content_md5, spool.md5)
            known = self._existing(address)
            check(known, spool.file.stat().st_size)
            with known.file.open("ab") as target, spool.file.open("rb") as source:
                start = target.tell()
                shutil.copyfileobj(source, target, _COPY_BYTES)
            self._record(address, known.content, known.metadata, append=known.append)
            return start, self._existing(address)

    def info(self, address: BlobAddress) -> BlobInfo | None:
        """Describe a blob, or None."""
        file = address.file(self.root)
        record = self.index.get(address.account, address.container, address.name)
        return None if record is None else described(record, file)

    def page(
        self, account: str, container: str, *, prefix: str, after: str, limit: int
    ) -> list[BlobInfo]:
        """Describe at most `limit` blobs with that prefix whose names come after `after`."""
        found = []
        for record in self.index.page(account, container, prefix, after, limit):
            address = BlobAddress(account, container, record.name)
            if (info := described(record, address.file(self.root))) is not None:
                found.append(info)
        return found

    def delete(self, address: BlobAddress, *, check: Check | None = None) -> bool:
        """Delete a blob; False when there was none."""
        with self.index.transaction():
            if check is not None:
                check(self.info(address))
            address.file(self.root).unlink(missing_ok=True)
            return self.index.delete(address.account, address.container, address.name)

    @contextmanager
    def spooled(self, pieces: Iterable[bytes]) -> Iterator[Spool]:
        """Hold bytes in a file on the blobs' file system; it is gone afterwards."""
        self._incoming.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._incoming)
        file = Path(name)
        try:
            digest = hashlib.md5(usedforsecurity=False)
            with os.fdopen(handle, "wb") as stream:
                for piece in pieces:
                    digest.update(piece)
                    stream.write(piece)
            yield Spool(file=file, md5=base64.b64encode(digest.digest()).decode())
        finally:
            file.unlink(missing_ok=True)

    def _record(
        self,
        address: BlobAddress,
        content: Mapping[str, str],
        metadata: Mapping[str, str],
        *,
        append: bool,
    ) -> None:
        former = self.index.get(address.account, address.container, address.name)
        now = time.time()
        record = Record(
            name=address.name,
            content=content,
            metadata=metadata,
            append=append,
            # It begins with the time, so that a blob made anew repeats no tag of a former one.
            revision=time.time_ns() if former is None else former.revision + 1,
            created=now,
            modified=now,
        )
        self.index.put(address.account, address.container, record)

    def _existing(self, address: BlobAddress) -> BlobInfo:
        found = self.info(address)
        if found is None:
            raise BlobError(404, "BlobNotFound", "The specified blob does not exist.")
        return found


def verify_md5(expected: str | None, actual: str) -> None:
    """Compare base64 MD5s.

    Raises:
        BlobError: 400 Md5Mismatch.
    """
    if expected not in {None, actual}:
        raise BlobError(
            400,
            "Md5Mismatch",
            "The MD5 value specified in the request did not match with the MD5 value calculated "
            "by the server.",
            details={"UserSpecifiedMd5": str(expected), "ServerCalculatedMd5": actual},
        )

"""Changes to blobs: each happens wholly or not at all, and readers never see half of one."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.blob_incoming import Incoming
from mlflow_azureml_backend.emulator.blob_index import BlobIndex, Record
from mlflow_azureml_backend.emulator.blob_info import (
    BlobAddress,
    BlobInfo,
    bytes_file,
    composed,
    described,
)
from mlflow_azureml_backend.emulator.blob_replaced import ReplacedFiles
from mlflow_azureml_backend.emulator.errors import BlobError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    Check = Callable[[BlobInfo | None], None]

_COPY_BYTES: Final = 1 << 20


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
        self.incoming = Incoming(root / ".incoming")  # no account can be called so
        self.index = BlobIndex(root / "index.db")
        # They go on after those of an emulator that ran here before.
        self._generations = itertools.count(time.time_ns())
        self._appends = threading.Lock()
        self._replaced = ReplacedFiles()

    def discard_unfinished(self) -> None:
        """Remove what an emulator that was killed had received of blobs; while none runs."""
        self.incoming.discard()
        with self.index.transaction():
            for account, container, record in self.index.appended_to():
                file = self._file(BlobAddress(account, container, record.name), record)
                os.truncate(file, record.appending or 0)
                self.index.put(account, container, replace(record, appending=None))

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
        generation = next(self._generations)
        file = bytes_file(address, self.root, generation)
        with self.incoming.received(pieces, content_md5) as spool:
            spool.move(file)
        status = file.stat()
        if not append:
            content = {"Content-MD5": spool.md5, **content}
        try:
            # What can be done before is: whoever writes or reads blobs waits for this lock.
            with self.index.alone:
                self.index.add_container(address.account, address.container, time.time())
                former, known = self._known(address)
                if check is not None:
                    check(known)
                record = self._record(
                    address, former, content, metadata or {}, append=append, generation=generation
                )
        except BaseException:
            file.unlink(missing_ok=True)
            raise
        self._replaced.add(known)
        return composed(record, file, status)

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
        with self.index.alone:
            record, known = self._existing(address)
            if check is not None:
                check(known)
            self._record(
                address,
                record,
                known.content if content is None else content,
                known.metadata if metadata is None else metadata,
                append=known.append,
            )
            return self._existing(address)[1]

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
        with self.incoming.received(pieces, content_md5) as spool, self._appends:
            with self.index.alone:
                record, known = self._existing(address)
                check(known, spool.size)
                # If the emulator is killed half-way, the next one takes the half back.
                record = self._record(
                    address,
                    record,
                    known.content,
                    known.metadata,
                    append=known.append,
                    appending=known.size,
                )
            with self.index.transaction():
                try:
                    with known.file.open("ab") as target, spool.file.open("rb") as source:
                        shutil.copyfileobj(source, target, _COPY_BYTES)
                except BaseException:
                    os.truncate(known.file, known.size)
                    raise
                self._record(address, record, known.content, known.metadata, append=known.append)
                return known.size, self._existing(address)[1]

    def info(self, address: BlobAddress) -> BlobInfo | None:
        """Describe a blob, or None."""
        return self._known(address)[1]

    def page(
        self, account: str, container: str, *, prefix: str, after: str, limit: int
    ) -> list[BlobInfo]:
        """Describe at most `limit` blobs with that prefix whose names come after `after`."""
        found = []
        for record in self.index.page(account, container, prefix, after, limit):
            address = BlobAddress(account, container, record.name)
            if (info := described(record, self._file(address, record))) is not None:
                found.append(info)
        return found

    def delete(self, address: BlobAddress, *, check: Check | None = None) -> bool:
        """Delete a blob; False when there was none."""
        with self.index.alone:
            _, known = self._known(address)
            if check is not None:
                check(known)
            deleted = self.index.delete(address.account, address.container, address.name)
        self._replaced.add(known)
        return deleted

    def close(self) -> None:
        """Close the index, and remove what nobody can be reading any more."""
        self._replaced.remove()
        self.index.close()

    def _record(
        self,
        address: BlobAddress,
        former: Record | None,
        content: Mapping[str, str],
        metadata: Mapping[str, str],
        *,
        append: bool,
        generation: int = 0,
        appending: int | None = None,
    ) -> Record:
        now = time.time()
        # It begins with the time, so that a blob made anew repeats no tag of a former one.
        revision = time.time_ns() if former is None else former.revision + 1
        if former is not None and not generation:
            generation = former.generation
        record = Record(
            name=address.name,
            content=content,
            metadata=metadata,
            append=append,
            revision=revision,
            generation=generation,
            appending=appending,
            created=now if former is None else former.created,
            modified=now,
        )
        self.index.put(address.account, address.container, record)
        return record

    def _file(self, address: BlobAddress, record: Record) -> Path:
        return bytes_file(address, self.root, record.generation)

    def _known(self, address: BlobAddress) -> tuple[Record | None, BlobInfo | None]:
        address.file(self.root)  # refuses a name that no blob can have
        record = self.index.get(address.account, address.container, address.name)
        if record is None:
            return None, None
        return record, described(record, self._file(address, record))

    def _existing(self, address: BlobAddress) -> tuple[Record, BlobInfo]:
        record, info = self._known(address)
        if record is None or info is None:
            raise BlobError(404, "BlobNotFound", "The specified blob does not exist.")
        return record, info

"""What a blob is: where it lies, and what it looks like at one moment."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.errors import BlobError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

    from mlflow_azureml_backend.emulator.blob_index import Record

BINARY: Final = "application/octet-stream"
"""The media type of blobs that were given none."""

_ACCOUNT: Final = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER: Final = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(?:-[a-z0-9]+)*")
_LONGEST_NAME: Final = 1024


@dataclass(frozen=True, slots=True)
class BlobAddress:
    """Say which blob is meant.

    Args:
        account: the storage account.
        container: the container.
        name: the blob's name in it.
    """

    account: str
    container: str
    name: str

    def file(self, root: Path, ending: str = "") -> Path:
        """Give the path of one of the blob's files below the folder of all blobs.

        A blob's name is data: its files are named after its hash, so that no name leaves that
        folder, collides with another where the file system ignores case, or is too long for it.

        Args:
            root: the folder of all blobs.
            ending: what tells the file from the blob's others.

        Raises:
            BlobError: 400 InvalidResourceName.
        """
        if not 0 < len(self.name) <= _LONGEST_NAME or "\0" in self.name:
            raise _invalid_name("blob")
        digest = hashlib.sha256(self.name.encode()).hexdigest()
        folder = container_folder(root, self.account, self.container)
        return folder.joinpath(digest[:2], digest[2:] + ending)


@lru_cache(maxsize=1024)  # every request asks, and for the same ones
def container_folder(root: Path, account: str, container: str) -> Path:
    """Give the folder of a container below the folder of all blobs.

    Raises:
        BlobError: 400 InvalidResourceName; both names become parts of a path.
    """
    if not _ACCOUNT.fullmatch(account):
        raise _invalid_name("account")
    if not _CONTAINER.fullmatch(container):
        raise _invalid_name("container")
    return root / account / container


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobInfo:
    """Describe one blob at one moment.

    Args:
        name: its name in its container.
        file: the plain file that holds its bytes.
        size: bytes in that file when this was made.
        etag: changes with every change; without quotes.
        created: when it was first made, in UTC.
        modified: when its bytes or what is known of them last changed, in UTC.
        content: HTTP headers of its content, for example `Content-Type`.
        metadata: names and values, as they were given.
        append: it is an append blob, not a block blob.
    """

    name: str
    file: Path
    size: int
    etag: str
    created: datetime
    modified: datetime
    content: Mapping[str, str]
    metadata: Mapping[str, str]
    append: bool

    @property
    def content_type(self) -> str:
        """Give the media type."""
        return self.content.get("Content-Type", BINARY)

    @property
    def content_md5(self) -> str | None:
        """Give the base64 MD5 of the bytes, when they were written at once."""
        return self.content.get("Content-MD5")


def bytes_file(address: BlobAddress, root: Path, generation: int) -> Path:
    """Give the file that holds the bytes of a blob since it was last written as a whole.

    Each writing has a file of its own, so a blob's bytes and what is known of it change together,
    when the index says so, even if the emulator is killed in between.

    Args:
        address: the blob.
        root: the folder of all blobs.
        generation: which writing; 0 for one of the time before there were generations.
    """
    return address.file(root, f".{generation:x}" if generation else "")


def described(record: Record, file: Path) -> BlobInfo | None:
    """Put together what is known of a blob and what its file says; None when that is gone."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return composed(record, file, status)


def composed(record: Record, file: Path, status: os.stat_result) -> BlobInfo:
    """Put together what is known of a blob and what was said of its file."""
    # Others may append to the file, so its size and time are part of the tag.
    state = f"{record.revision}:{status.st_size}:{status.st_mtime_ns}".encode()
    tag = hashlib.blake2b(state, digest_size=6).hexdigest().upper()
    modified = max(status.st_mtime, record.modified)
    return BlobInfo(
        name=record.name,
        file=file,
        size=status.st_size,
        etag=f"0x8D{tag}",
        created=datetime.fromtimestamp(record.created, timezone.utc),
        modified=datetime.fromtimestamp(modified, timezone.utc),
        content=record.content,
        metadata=record.metadata,
        append=record.append,
    )


def _invalid_name(kind: str) -> BlobError:
    return BlobError(400, "InvalidResourceName", f"The specified {kind} name is not valid.")

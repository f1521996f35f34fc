"""Bytes that arrive: they are on disk and checked before a blob is made of them."""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from mlflow_azureml_backend.emulator.errors import BlobError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


@dataclass(slots=True, kw_only=True)
class Spool:
    """Hold bytes that arrived but belong to no blob yet.

    Args:
        file: where they are.
        size: how many.
        md5: base64 of their MD5.
        moved: they are elsewhere now.
    """

    file: Path
    size: int
    md5: str
    moved: bool = False

    def move(self, target: Path) -> None:
        """Move them into their place, in place of what is there."""
        try:
            os.replace(self.file, target)  # noqa: PTH105 - half the time of Path.replace
        except FileNotFoundError:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self.file, target)  # noqa: PTH105
        self.moved = True


class Incoming:
    """Receive bytes; methods may be called from any thread.

    Args:
        folder: where they are kept meanwhile: on the file system of the blobs, so that a file can
            be moved into its place.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(time.time_ns())

    def discard(self) -> None:
        """Remove what an emulator that was killed had received; while none runs."""
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def received(self, pieces: Iterable[bytes], content_md5: str | None) -> Iterator[Spool]:
        """Hold bytes in a file; unless it was moved away, it is gone afterwards.

        Args:
            pieces: the bytes.
            content_md5: base64 of the MD5 that they must have.

        Raises:
            BlobError: 400 Md5Mismatch.
        """
        spool = Spool(file=self._folder / f"{next(self._numbers):x}", size=0, md5="")
        try:
            digest = hashlib.md5(usedforsecurity=False)
            with self._opened(spool.file) as stream:
                for piece in pieces:
                    digest.update(piece)
                    spool.size += stream.write(piece)
            spool.md5 = base64.b64encode(digest.digest()).decode()
            _verify(content_md5, spool.md5)
            yield spool
        finally:
            if not spool.moved:
                spool.file.unlink(missing_ok=True)

    def _opened(self, file: Path) -> BinaryIO:
        try:
            return open(file, "xb", opener=_open_private)
        except FileNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True)
            return open(file, "xb", opener=_open_private)


def _open_private(file: str, flags: int) -> int:
    return os.open(file, flags, 0o600)


def _verify(expected: str | None, actual: str) -> None:
    if expected not in {None, actual}:
        raise BlobError(
            400,
            "Md5Mismatch",
            "The MD5 value specified in the request did not match with the MD5 value calculated "
            "by the server.",
            details={"UserSpecifiedMd5": str(expected), "ServerCalculatedMd5": actual},
        )

"""Bytes that arrive: they are on disk and checked before a blob is made of them."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_azureml_backend.emulator.errors import BlobError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Spool:
    """Hold bytes that arrived but belong to no blob yet.

    Args:
        file: where they are.
        md5: base64 of their MD5.
    """

    file: Path
    md5: str


class Incoming:
    """Receive bytes; methods may be called from any thread.

    Args:
        folder: where they are kept meanwhile: on the file system of the blobs, so that a file can
            be moved into its place.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

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
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._folder)
        file = Path(name)
        try:
            digest = hashlib.md5(usedforsecurity=False)
            with os.fdopen(handle, "wb") as stream:
                for piece in pieces:
                    digest.update(piece)
                    stream.write(piece)
            md5 = base64.b64encode(digest.digest()).decode()
            _verify(content_md5, md5)
            yield Spool(file=file, md5=md5)
        finally:
            file.unlink(missing_ok=True)


def _verify(expected: str | None, actual: str) -> None:
    if expected not in {None, actual}:
        raise BlobError(
            400,
            "Md5Mismatch",
            "The MD5 value specified in the request did not match with the MD5 value calculated "
            "by the server.",
            details={"UserSpecifiedMd5": str(expected), "ServerCalculatedMd5": actual},
        )

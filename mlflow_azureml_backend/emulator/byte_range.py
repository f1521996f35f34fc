"""Byte ranges, as blob storage reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mlflow_azureml_backend.emulator.errors import BlobError

_RANGE: Final = re.compile(r"bytes=(\d{1,18})-(\d{0,18})")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Hold a part of a blob.

    Args:
        start: its first byte.
        length: how many bytes it has.
        size: how many bytes the blob has.
    """

    start: int
    length: int
    size: int

    @property
    def content_range(self) -> str:
        """Give the value of the header `Content-Range`."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.size}"


def requested_range(header: str | None, size: int) -> ByteRange | None:
    """Say which part of a blob is asked for; None means all of it.

    As in Azure a header that is no single range from a first byte on is ignored.

    Args:
        header: the value of `Range` or `x-ms-range`, or None.
        size: bytes in the blob.

    Raises:
        BlobError: 416 InvalidRange: the first byte is not in the blob; always so when it is empty.
    """
    found = _RANGE.fullmatch((header or "").strip())
    if found is None:
        return None
    start = int(found[1])
    end = min(int(found[2]), size - 1) if found[2] else size - 1
    if found[2] and int(found[2]) < start:
        return None
    if start >= size:
        raise BlobError(
            416,
            "InvalidRange",
            "The range specified is invalid for the current size of the resource.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return ByteRange(start=start, length=end - start + 1, size=size)

"""Uploads in blocks: blocks wait beside their blob until a list commits them."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import ParseError, XMLParser

from mlflow_azureml_backend.emulator.errors import BlobError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from mlflow_azureml_backend.emulator.blob_files import BlobFiles, Check
    from mlflow_azureml_backend.emulator.blob_info import BlobAddress, BlobInfo

_COPY_BYTES: Final = 1 << 20


def stage(
    files: BlobFiles,
    address: BlobAddress,
    block_id: str,
    pieces: Iterable[bytes],
    content_md5: str | None,
) -> str:
    """Keep one block until it is committed; the last one of an id counts.

    Args:
        files: where blobs are.
        address: the blob it is for.
        block_id: its base64 id.
        pieces: its bytes.
        content_md5: base64 of the MD5 that they must have.

    Returns:
        The base64 MD5 of its bytes.

    Raises:
        BlobError: 400 Md5Mismatch.
    """
    block = _block(files, address, block_id)
    with files.incoming.received(pieces, content_md5) as spool:
        spool.move(block)
        return spool.md5


def commit(
    files: BlobFiles,
    address: BlobAddress,
    block_ids: Iterable[str],
    *,
    content: Mapping[str, str],
    metadata: Mapping[str, str],
    check: Check,
) -> BlobInfo:
    """Make a blob of the blocks that were staged, in the order of their ids.

    Raises:
        BlobError: 400 InvalidBlockList: a block was not staged since the last commit.
    """
    blocks = [_block(files, address, block_id) for block_id in block_ids]
    if not all(block.is_file() for block in blocks):
        raise BlobError(400, "InvalidBlockList", "The specified block list is invalid.")
    info = files.put(address, _pieces(blocks), content=content, metadata=metadata, check=check)
    shutil.rmtree(_folder(files, address), ignore_errors=True)
    return info


def listed_ids(pieces: Iterable[bytes]) -> list[str]:
    """Read the ids of a block list, in their order.

    Args:
        pieces: the XML document.

    Raises:
        BlobError: 400 InvalidXmlDocument.
    """
    reader = _BlockListReader()
    parser = XMLParser(target=reader)  # noqa: S314 - the reader refuses document types
    try:
        for piece in pieces:
            parser.feed(piece)
        parser.close()
    except ParseError:
        raise _invalid_document() from None
    return reader.block_ids


class _BlockListReader:
    """Collect the texts of `Latest` and `Uncommitted` while a document is parsed."""

    def __init__(self) -> None:
        self.block_ids: list[str] = []
        self._inside = False

    def doctype(self, *_: str | None) -> None:
        # Entities could blow a small document up; a block list has no document type.
        raise _invalid_document()

    def start(self, tag: str, _attributes: Mapping[str, str]) -> None:
        if tag == "Committed":
            raise BlobError(400, "InvalidBlockList", "The emulator keeps no committed blocks.")
        self._inside = tag in {"Latest", "Uncommitted"}
        if self._inside:
            self.block_ids.append("")

    def end(self, _tag: str) -> None:
        self._inside = False

    def data(self, text: str) -> None:
        if self._inside:
            self.block_ids[-1] += text.strip()

    def close(self) -> None:
        return None


def _invalid_document() -> BlobError:
    return BlobError(400, "InvalidXmlDocument", "The specified XML is not syntactically valid.")


def _folder(files: BlobFiles, address: BlobAddress) -> Path:
    return address.file(files.root, ".blocks")


def _block(files: BlobFiles, address: BlobAddress, block_id: str) -> Path:
    return _folder(files, address) / hashlib.sha256(block_id.encode()).hexdigest()


def _pieces(blocks: Iterable[Path]) -> Iterator[bytes]:
    for block in blocks:
        with block.open("rb") as stream:
            while piece := stream.read(_COPY_BYTES):
                yield piece

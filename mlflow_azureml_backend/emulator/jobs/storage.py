"""Files moved between storage and the folders of a job."""

from __future__ import annotations

import base64
import hashlib
import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.errors import BlobError
from mlflow_azureml_backend.emulator.jobs.failure import JobFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.emulator.blob_store import BlobInfo, BlobStore
    from mlflow_azureml_backend.emulator.jobs.places import Place

_PIECE: Final = 1 << 20


def blob_at(blobs: BlobStore, place: Place) -> BlobInfo | None:
    """Give the blob of exactly that path, or None."""
    return blobs.info(place.account, place.container, place.path) if place.path else None


def download_folder(blobs: BlobStore, place: Place, folder: Path) -> int:
    """Copy all blobs below a path into a folder.

    Args:
        blobs: the storage accounts.
        place: the path.
        folder: where to; it is made, also when there is nothing to copy.

    Returns:
        How many files were copied.

    Raises:
        JobFailure: a blob's name leads out of the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    prefix = f"{place.path}/" if place.path else ""
    count = 0
    for blob in blobs.list(place.account, place.container, prefix):
        relative = PurePosixPath(blob.name[len(prefix) :])
        if relative.is_absolute() or ".." in relative.parts:
            raise JobFailure(f"The blob name '{blob.name}' leads out of its folder.")
        file = folder / relative
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(blob.file, file)
        count += 1
    return count


def upload_folder(
    blobs: BlobStore, folder: Path, place: Place, *, overwrite: bool
) -> tuple[str, ...]:
    """Copy all files of a folder to blobs below a path; symbolic links to folders are left out.

    Args:
        blobs: the storage accounts.
        folder: the folder; one that does not exist is an empty one.
        place: the path.
        overwrite: replace blobs that are there already.

    Returns:
        The names of the blobs that were there already and were not replaced.
    """
    kept = []
    for file in sorted(folder.rglob("*")):
        if not file.is_file():
            continue
        name = str(PurePosixPath(place.path, *file.relative_to(folder).parts))
        if not upload_file(blobs, file, place, name, overwrite=overwrite):
            kept.append(name)
    return tuple(kept)


def upload_file(blobs: BlobStore, file: Path, place: Place, name: str, *, overwrite: bool) -> bool:
    """Copy a file to a blob.

    Args:
        blobs: the storage accounts.
        file: the file.
        place: names the account and the container.
        name: the blob's name.
        overwrite: replace a blob that is there already.

    Returns:
        False when another blob was there and was not to be replaced.
    """
    known = blobs.info(place.account, place.container, name)
    # The same bytes are there after an emulator was killed while it did this, or never left.
    if known is not None and known.size == file.stat().st_size and known.content_md5 == _md5(file):
        return True
    try:
        blobs.write(
            place.account, place.container, name, _pieces(file), if_none_match=not overwrite
        )
    except BlobError as error:
        if error.code != "BlobAlreadyExists":
            raise
        return False
    return True


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece


def _md5(file: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for piece in _pieces(file):
        digest.update(piece)
    return base64.b64encode(digest.digest()).decode()


def remove_folder(folder: Path) -> None:
    """Remove a folder and all that is in it, also where that was made read-only.

    Args:
        folder: the folder; one that does not exist is as good as removed.
    """
    if not folder.exists():
        return
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)

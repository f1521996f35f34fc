"""A Docker build context in the workspace's storage, where Azure ML builds the image from it."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mlflow_azureml_backend.workspace.snapshot import SnapshotFile, list_files
from mlflow_azureml_backend.workspace.uploads import upload_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.job import BuildSpec
    from mlflow_azureml_backend.workspace.connection import Connection


def upload_build_context(connection: Connection, build: BuildSpec) -> tuple[str, str]:
    """Make sure that the workspace's storage holds a build context.

    azure-ai-ml would upload it too, but reaches storage by settings of its own. As there, the place
    follows from the content: what is there already is not uploaded again.

    Args:
        connection: The workspace.
        build: The context.

    Returns:
        The context's URL, and its Dockerfile's path in it.

    Raises:
        ProjectError: The folder cannot be uploaded.
        WorkspaceError: The service refused, or could not be reached.
    """
    with TemporaryDirectory() as temporary:
        files = _files(build, Path(temporary))
        uploaded = upload_files(
            connection,
            files,
            "environment",
            doing="uploading the build context of the environment",
        )
    return uploaded.url, build.dockerfile


def write_build_context(build: BuildSpec, folder: Path) -> None:
    """Copy a build context into a folder, for whoever builds or submits it by other means.

    Args:
        build: The context.
        folder: Where; what is there is overwritten.
    """
    with TemporaryDirectory() as temporary:
        for file in _files(build, Path(temporary)):
            target = folder / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.path, target)


def _files(build: BuildSpec, temporary: Path) -> list[SnapshotFile]:
    """List what is in the context, in the order in which it is hashed."""
    found = {file.name: file for file in _files_of_folder(build)}
    for name, text in build.files.items():
        (temporary / name).write_text(text, encoding="utf-8", newline="\n")
        found[name] = SnapshotFile(path=temporary / name, name=name)
    return sorted(found.values(), key=lambda file: file.name.lower())


def _files_of_folder(build: BuildSpec) -> Iterator[SnapshotFile]:
    if build.folder is None:
        return
    for path in build.paths or (".",):
        place = build.folder / path
        # A file that is named goes along even if the project's snapshot leaves it out.
        within = list_files(place) if place.is_dir() else [SnapshotFile(path=place, name="")]
        for file in within:
            yield SnapshotFile(path=file.path, name=PurePosixPath(path, file.name).as_posix())


@contextmanager
def context_folder(build: BuildSpec) -> Iterator[tuple[Path, str]]:
    """Give a build context as a folder, and its Dockerfile's path in it.

    Args:
        build: The context.
    """
    if build.folder is not None and not build.files and not build.paths:
        yield build.folder, build.dockerfile
        return
    with TemporaryDirectory() as temporary:
        made, context = Path(temporary, "made"), Path(temporary, "context")
        made.mkdir()
        for file in _files(build, made):
            (context / file.name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file.path, context / file.name)
        yield context, build.dockerfile

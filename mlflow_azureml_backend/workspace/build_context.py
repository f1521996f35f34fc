"""A Docker build context in the workspace's storage, where Azure ML builds the image from it."""

from __future__ import annotations

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

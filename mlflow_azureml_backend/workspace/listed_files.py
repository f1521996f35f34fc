"""A folder of artifacts that is listed once and downloaded from in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.workspace.download import download_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from mlflow_azureml_backend.workspace.run_files import RunFiles


class ListedFiles:
    """List a job's artifacts, and download some of them at a time over the same connections.

    Args:
        files: The artifacts, open.
    """

    def __init__(self, files: RunFiles) -> None:
        self._files = {file.path: file for file in files.artifacts()}

    @property
    def listed(self) -> list[dict[str, Any]]:
        """`path` and `size` in bytes of every file, sorted by path."""
        # The service's list of artifacts knows no sizes: storage does.
        return [{"path": file.path, "size": file.size} for file in self._files.values()]

    def download(self, paths: Sequence[str], folder: Path) -> Mapping[str, str]:
        """Write files below a folder, several at a time.

        Args:
            paths: As they are listed.
            folder: Where to; nothing is written outside it.

        Returns:
            Why a file could not be read or written, by its path.
        """
        done = download_files([self._files[path] for path in paths], folder)
        return {file.path: file.error for file in done if file.error}

"""What mirroring needs of the run that a job logs to in its workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path


class SourceFiles(Protocol):
    """A folder of artifacts, open for reading."""

    @property
    def listed(self) -> Sequence[Mapping[str, Any]]:
        """`path` and `size` in bytes of every file, sorted by path."""

    def download(self, paths: Sequence[str], folder: Path) -> Mapping[str, str]:
        """Write files below a folder, several at a time.

        Args:
            paths: As they are listed.
            folder: Where to.

        Returns:
            Why a file could not be read or written, by its path.
        """


class SourceRun(Protocol):
    """The run to mirror, as the workspace gives it."""

    def read(self) -> dict[str, Any]:
        """Give MLflow's run object as JSON."""

    def metric_pages(
        self, key: str, *, start: str = ""
    ) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
        """Give the history of a metric, each page with the place at which it begins.

        Args:
            key: The metric.
            start: The place of the page to begin with; empty: the first.
        """

    def metric_history(self, key: str) -> Iterable[Mapping[str, Any]]:
        """Give every point of a metric."""

    def files(self) -> AbstractContextManager[SourceFiles]:
        """Open the run's artifacts."""

    def logged_models(self) -> Sequence[Mapping[str, Any]]:
        """Give the models that the run logged, as MLflow 3's JSON objects; none before it."""

    def model_files(self, model: Mapping[str, Any]) -> AbstractContextManager[SourceFiles]:
        """Open the artifacts of one of these models."""

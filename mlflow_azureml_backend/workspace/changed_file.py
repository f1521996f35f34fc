"""A file that is not any more what it was when the submission began."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import ProjectError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def changed(path: Path, reason: str = "its content is another one now") -> ProjectError:
    """Build the error for a file that changed while it was uploaded.

    Args:
        path: The file.
        reason: What is seen of it.
    """
    return ProjectError(
        f"{path} changed while it was uploaded: {reason}. Run it again when nothing writes there, "
        "or list the file in .amlignore."
    )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Say which file it is that cannot be read any more.

    Raises:
        ProjectError: Instead of the OSError of the block.
    """
    try:
        yield
    except OSError as error:
        if error.strerror is None:  # one of the network, of which requests makes an OSError too
            raise
        raise changed(path, error.strerror) from error

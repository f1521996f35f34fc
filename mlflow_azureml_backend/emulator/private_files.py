"""Files that only their owner may read, and that are whole or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_private(file: Path, content: bytes) -> None:
    """Write a file with mode 0600, so that readers see all of it or the former one.

    Args:
        file: where to; its folder is made when it is missing.
        content: the whole content.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    # `mkstemp` makes the file with mode 0600 from its first moment.
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

"""Which lines of which log files are shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from mlflow_azureml_backend.pipeline import split_step

if TYPE_CHECKING:
    from datetime import datetime

IMAGE_BUILD = "azureml-logs/20_image_build_log.txt"

# What the processes print, and the image build that runs before.
_PRINTED = re.compile(r"user_logs/.+|azureml-logs/(?:20_image_build_log|[0-9]+_driver_log.*)\.txt")
_SYSTEM = re.compile(r"(?:system_logs|azureml-logs|logs/azureml)/.+")
_RANK = re.compile(r"std_log_process_0*(\d+)\.txt$")


def is_image_build(path: str) -> bool:
    """Tell whether a log file is that of an environment's build.

    Args:
        path: The file's path below the run.
    """
    return split_step(path)[1] == IMAGE_BUILD


def rank_of(path: str) -> int | None:
    """Give the rank whose output a log file holds, or None for a job of one process.

    Args:
        path: The file's path below the run, such as `user_logs/std_log.txt`.
    """
    match = _RANK.search(path)
    return int(match[1]) if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSelection:
    """Choose among a job's log lines; without arguments all that the job's processes print.

    Args:
        ranks: Only these ranks of a job of several processes; the one process of another job is
            rank 0. Empty: all.
        files: Only files whose path below the run fits one of these patterns (`*` and `?` fit
            any characters, slashes too; a pattern without a slash fits file names; the files of a
            pipeline's step are below `steps/STEP/`). Empty: what the processes print, and the image
            build.
        system: The service's own logs as well: `system_logs/`, `azureml-logs/`, `logs/azureml/`.
        since: Only what was written since. Azure keeps no time of a line: a file that did not
            change since is left out, and of others all lines before the first that begins with
            a time of its own that is not earlier (UTC where it names no zone). A file whose lines
            carry no times is shown whole.
        tail: Only the last so many lines of each file that are there at the first look.
    """

    ranks: tuple[int, ...] = ()
    files: tuple[str, ...] = ()
    system: bool = False
    since: datetime | None = None
    tail: int | None = None

    def __post_init__(self) -> None:
        if self.tail is not None and self.tail < 0:
            raise ValueError("tail is a number of lines: 0 or more.")
        if self.since is not None and self.since.tzinfo is None:
            raise ValueError("since is a time with a zone.")

    def wants(self, path: str) -> bool:
        """Tell whether a log file is shown.

        Args:
            path: The file's path below the run.
        """
        inner = split_step(path)[1]
        if self.files:
            chosen = any(_fits(path, each) or _fits(inner, each) for each in self.files)
        else:
            chosen = _PRINTED.fullmatch(inner) is not None
        if self.ranks and inner.startswith("user_logs/"):
            chosen = chosen and (rank_of(path) or 0) in self.ranks
        return chosen or (self.system and _SYSTEM.fullmatch(inner) is not None)


def _fits(path: str, pattern: str) -> bool:
    return fnmatchcase(path if "/" in pattern else path.rpartition("/")[2], pattern)

"""Mounts that cannot be written to: what a job only reads is closed to it, also to root."""

from __future__ import annotations

import functools
import os
import shutil
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_WRITABLE: Final = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
# Root writes wherever it likes, unless it is without this one of its powers.
_WITHOUT_OVERRIDE: Final = ("--inh-caps=-all", "--bounding-set=-dac_override", "--")


def make_read_only(place: Path) -> None:
    """Take away the permission to write a file, or a folder and all that is in it.

    Args:
        place: the file or the folder.
    """
    for path in (place, *place.rglob("*")):
        if not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_WRITABLE)


def bound_by_permissions(argv: Sequence[str]) -> tuple[str, ...]:
    """Give a program that permissions hold for, also where the emulator runs as root.

    Where root cannot be bound (not on Linux, or without the program `setpriv`) it is given as it
    is, and read-only files are only marked as such.

    Args:
        argv: the program and its arguments.
    """
    return (*_binding(), *argv)


@functools.cache
def _binding() -> tuple[str, ...]:
    program = shutil.which("setpriv")
    if sys.platform != "linux" or os.geteuid() != 0 or program is None:
        return ()
    binding = (program, *_WITHOUT_OVERRIDE)
    # A root in a container may be without the power to give a power up.
    works = subprocess.run([*binding, "true"], capture_output=True, check=False)
    return binding if works.returncode == 0 else ()

"""Which file of a release a Python on a platform installs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from packaging.tags import compatible_tags, cpython_tags, mac_platforms
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from packaging.tags import Tag

# Azure ML's images have glibc 2.31 or newer; conda-lock counts on this one as well.
_NEWEST_GLIBC = 28
_OLDER_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


class _Platform(NamedTuple):
    uv: str
    machine: str
    system: str


_PLATFORMS = {
    "linux-64": _Platform(f"x86_64-manylinux_2_{_NEWEST_GLIBC}", "x86_64", "linux"),
    "linux-aarch64": _Platform(f"aarch64-manylinux_2_{_NEWEST_GLIBC}", "aarch64", "linux"),
    "osx-64": _Platform("x86_64-apple-darwin", "x86_64", "mac"),
    "osx-arm64": _Platform("aarch64-apple-darwin", "arm64", "mac"),
    "win-64": _Platform("x86_64-pc-windows-msvc", "win_amd64", "windows"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A Python on a platform.

    Args:
        platform: Conda platform.
        python: Version of Python.
    """

    platform: str
    python: str

    @property
    def uv_platform(self) -> str:
        """The platform in uv's words."""
        return _PLATFORMS[self.platform].uv

    def tags(self) -> Iterator[Tag]:
        """Give the tags of wheels that can be installed, the best one first."""
        version = tuple(int(part) for part in self.python.split(".")[:2])
        names = list(_platform_tags(_PLATFORMS[self.platform]))
        yield from cpython_tags(version, platforms=names)
        yield from compatible_tags(
            version, interpreter=f"cp{version[0]}{version[1]}", platforms=names
        )


def best_file(release: Mapping[str, Any], target: Target) -> Mapping[str, Any] | None:
    """Choose the wheel that pip would, else the source archive.

    Args:
        release: A package as `pylock.toml` has it.
        target: Where it is installed.
    """
    ranks = {tag: rank for rank, tag in enumerate(target.tags())}
    best: tuple[int, Mapping[str, Any]] | None = None
    for wheel in release.get("wheels", ()):
        rank = min((ranks[tag] for tag in _tags_of(wheel) if tag in ranks), default=None)
        if rank is not None and (best is None or rank < best[0]):
            best = (rank, wheel)
    sdist: Mapping[str, Any] | None = release.get("sdist")
    return best[1] if best else sdist


def _tags_of(wheel: Mapping[str, Any]) -> frozenset[Tag]:
    where = str(wheel.get("name") or wheel.get("url") or wheel.get("path"))
    name = unquote(urlsplit(where).path).rpartition("/")[2]
    try:
        return parse_wheel_filename(name)[3]
    except InvalidWheelFilename:
        return frozenset()


def _platform_tags(platform: _Platform) -> Iterator[str]:
    if platform.system == "mac":
        yield from mac_platforms((11, 0), platform.machine)
    elif platform.system == "windows":
        yield platform.machine
    else:
        for minor in range(_NEWEST_GLIBC, 4, -1):
            yield f"manylinux_2_{minor}_{platform.machine}"
            if minor in _OLDER_NAMES:
                yield f"{_OLDER_NAMES[minor]}_{platform.machine}"
        yield f"linux_{platform.machine}"

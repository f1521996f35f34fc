"""pip's requirement lines: the files they include, and the paths of this machine that they name.

A job's environment is made on another machine, from the lines alone. So the files that they include
are read into them, and a path that they name is spelled from the project's folder on (`./libs/x`),
since what is inside the project can travel, and what is outside cannot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from mlflow_azureml_backend.errors import EnvironmentSpecError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# As pip reads a line of a requirements file: a comment, and the option that names another file.
_COMMENT = re.compile(r"(^|\s+)#.*$")
_INCLUDE = re.compile(r"(?:-r\s*|--requirement(?:\s+|\s*=\s*))(?P<file>\S.*)")

# The options that name a path: `-e`, `-c` and `-f`, in pip's spellings.
_OPTION = re.compile(
    r"(?P<option>(?:-[ecf]\s*)|(?:--(?:editable|constraint|find-links)(?:\s+|\s*=\s*)))(?P<path>\S.*)"
)
_DIRECT = re.compile(r"[\w.-]+\s*(?P<extras>\[[^\]]*\])?\s*@\s*(?P<path>file:\S+)(?P<rest>.*)")
_PATH = re.compile(r"(?P<path>.+?)(?P<rest>(?:\[[^\]]*\])?(?:\s*;.*|\s+--hash.*)?)")
_NAMED = re.compile(r"[\w.-]+\s*(?:\[[^\]]*\])?\s*@\s*[A-Za-z][A-Za-z0-9+.-]*:")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|[a-z]+\+\w+:")
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """Where lines stand.

    Args:
        file: The file that holds them.
        root: The project's folder.
        first: The environment file that included it, where pip runs.
        above: The requirement files that included it.
    """

    file: Path
    root: Path
    first: Path
    above: tuple[Path, ...] = ()


def resolve_lines(lines: Iterable[str], file: Path, root: Path) -> tuple[str, ...]:
    """Inline every included requirement file, and spell every local path from the project on.

    Args:
        lines: pip's requirement lines.
        file: The file they stand in.
        root: The project's folder.

    Raises:
        EnvironmentSpecError: A file or folder that they name is missing or outside the project.
    """
    return tuple(_resolved(lines, _Source(file=file, root=root, first=file)))


def _resolved(lines: Iterable[str], source: _Source) -> Iterator[str]:
    for raw in lines:
        line = _COMMENT.sub("", raw).strip()
        if not line:
            continue
        include = _INCLUDE.fullmatch(line)
        if include is None:
            yield _with_local_path(line, source)
            continue
        path = (source.file.parent / include["file"]).resolve()
        if not path.is_relative_to(source.root.resolve()):
            raise EnvironmentSpecError(
                f"{source.file}: `{line}` names a file outside the project. Copy it into the "
                "project."
            )
        if path in source.above:
            raise EnvironmentSpecError(f"{path}: requirement files include each other.")
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise EnvironmentSpecError(f"`{line}`: {path} cannot be read: {error}.") from error
        inner = _Source(
            file=path, root=source.root, first=source.first, above=(*source.above, path)
        )
        yield from _resolved(text.replace("\\\n", " ").splitlines(), inner)


def _with_local_path(line: str, source: _Source) -> str:
    if option := _OPTION.fullmatch(line):
        if _URL.match(option["path"]) and not option["path"].startswith("file:"):
            return line
        name = option["option"].rstrip().rstrip("=").rstrip()
        return f"{name} {_from_project(option['path'], line, source)}"
    if direct := _DIRECT.fullmatch(line):
        path = _from_project(direct["path"], line, source)
        return f"{path}{direct['extras'] or ''}{direct['rest']}"
    return _from_project(line, line, source) if _is_path(line) else line


def _is_path(line: str) -> bool:
    if line.startswith("-") or (_URL.match(line) and not line.startswith("file:")):
        return False
    path = _split(line)[0]
    return not _NAMED.match(path) and (
        path.startswith((".", "file:"))
        or "/" in path
        or "\\" in path
        or path.lower().endswith(_ARCHIVES)
    )


def _split(text: str) -> tuple[str, str]:
    """Split a path from the extras, the marker and the hashes behind it."""
    match = _PATH.fullmatch(text)
    return (match["path"], match["rest"]) if match else (text, "")


def _from_project(text: str, line: str, source: _Source) -> str:
    """Spell a path, and what stands behind it, from the project's folder on."""
    named, rest = _split(text)
    path = Path(unquote(urlsplit(named).path) if named.startswith("file:") else named).expanduser()
    # pip looks from where it runs, for most options; a user means the file that the line stands in.
    places = [(source.file.parent / path), (source.first.parent / path), (source.root / path)]
    found = next((place.resolve() for place in places if place.exists()), None)
    if found is None:
        raise EnvironmentSpecError(
            f"{source.file}: `{line}` names {places[0]}, which does not exist. Paths are read from "
            "the file that they stand in."
        )
    root = source.root.resolve()
    if not found.is_relative_to(root):
        raise EnvironmentSpecError(
            f"{source.file}: `{line}` names {found}, which is outside the project {root}. A job's "
            "environment is made elsewhere, and only what is in the project can go along: copy it "
            "into the project, or name a release of the package."
        )
    relative = found.relative_to(root).as_posix()
    return f"./{relative}{rest}" if relative != "." else f".{rest}"

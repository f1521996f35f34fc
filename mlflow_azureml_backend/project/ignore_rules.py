"""The ignore files of a folder and of the folders in it, of which the last rule decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

from mlflow_azureml_backend.errors import ProjectError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pathspec import Pattern

# Of one folder the first that exists counts alone; at the root that is azure-ai-ml's own rule.
CODE_IGNORE_FILES = (".amlignore", ".mlflowignore", ".gitignore")
# A .gitignore often says "data is not in git", which is no reason not to upload data.
DATA_IGNORE_FILES = (".amlignore", ".mlflowignore")


class IgnoreRules:
    """Say what below a folder stays behind.

    Within one file the last rule that matches decides, as in azure-ai-ml (git itself would keep a
    file ignored whose folder alone is taken back). A deeper folder's file goes before one above
    it, unless the folder itself stays behind; `exclude` goes before all.

    Args:
        root: The folder.
        files: Names of ignore files, of which each folder's first counts.
        exclude: Further rules, relative to the root.
        noted: Told the path of each ignore file before it is read.

    Raises:
        ProjectError: A rule cannot be read.
    """

    def __init__(
        self,
        root: Path,
        *,
        files: Sequence[str] = CODE_IGNORE_FILES,
        exclude: Sequence[str] = (),
        noted: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._root = root
        self._files = files
        self._noted = noted
        self._exclude = _patterns(exclude, "snapshot.exclude of the backend config")
        self._known: dict[str, tuple[Pattern, ...]] = {}

    def ignore(self, name: str) -> bool:
        """Tell whether a path below the root stays behind.

        Args:
            name: POSIX path relative to the root; a folder's ends in a slash.
        """
        ignored = _decide(self._rules_of(""), name, ignored=False)
        start = name.find("/") + 1
        while 0 < start < len(name):
            ignored = _decide(self._rules_of(name[:start]), name[start:], ignored=ignored)
            start = name.find("/", start) + 1
        return _decide(self._exclude, name, ignored=ignored)

    def ignore_all(self, folder: str) -> bool:
        """Tell whether a folder stays behind with all that is in it, so that nobody need look.

        Args:
            folder: POSIX path relative to the root, which ends in a slash.
        """
        if not self.ignore(folder):
            return False
        # A rule that takes back may be for something in the folder alone.
        places, start = [""], folder.find("/") + 1
        while 0 < start < len(folder):
            places.append(folder[:start])
            start = folder.find("/", start) + 1
        return not any(
            pattern.include is False
            for patterns in (self._exclude, *map(self._rules_of, places))
            for pattern in patterns
        )

    def _rules_of(self, folder: str) -> tuple[Pattern, ...]:
        if folder not in self._known:
            behind = bool(folder) and self.ignore(folder)
            self._known[folder] = () if behind else self._read(folder)
        return self._known[folder]

    def _read(self, folder: str) -> tuple[Pattern, ...]:
        for path in (self._root / folder / name for name in self._files):
            if path.is_file():
                self._noted(str(path))
                try:
                    lines = path.read_text(encoding="utf-8-sig").splitlines()
                except ValueError as error:
                    raise ProjectError(f"{path} cannot be read: {error}.") from error
                return _patterns(lines, str(path))
        return ()


def _patterns(lines: Sequence[str], where: str) -> tuple[Pattern, ...]:
    try:
        return tuple(GitIgnoreSpec.from_lines(map(str.strip, lines)).patterns)
    except ValueError as error:
        raise ProjectError(f"{where} cannot be read: {error}.") from error


def _decide(patterns: tuple[Pattern, ...], name: str, *, ignored: bool) -> bool:
    for pattern in patterns:
        if pattern.include is not None and pattern.match_file(name) is not None:
            ignored = pattern.include
    return ignored

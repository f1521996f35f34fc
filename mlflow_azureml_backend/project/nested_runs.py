"""Whether an entry point starts runs of this backend itself, as its own text tells."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

_SCRIPTS = (".py", ".sh")
_MOST_BYTES = 1 << 20
# `mlflow.run(`, `mlflow.projects.run(`, the command `mlflow run`, and what imports the function.
_STARTS = re.compile(
    r"\bmlflow(?:\.projects)?\.run\s*\(|\bmlflow\s+run\s|\bfrom\s+mlflow(?:\.projects)?\s+import\b"
    r"[^\n]*\b(?:projects|run)\b|\bimport\s+mlflow\.projects\b"
)
_NAMES_BACKEND = re.compile(r"(?<![\w./:-])azureml(?:-v2)?(?![\w./:-])")


def starts_runs(root: Path, command: str) -> bool:
    """Tell whether a command, or a script that it names, starts runs with this backend.

    Only what the command names is read: a project often has a script beside it that submits it.

    Args:
        root: The project's folder.
        command: The entry point's command, as the MLproject has it.
    """
    texts = [command, *(_text(file) for file in _scripts(root, command))]
    return any(map(_STARTS.search, texts)) and any(map(_NAMES_BACKEND.search, texts))


def _scripts(root: Path, command: str) -> list[Path]:
    try:
        words = shlex.split(command)
    except ValueError:  # quotes that only a shell with the values in it would close
        words = command.split()
    modules = [
        f"{word.replace('.', '/')}.py"
        for option, word in itertools.pairwise(words)
        if option == "-m"
    ]
    named = [word for word in words if Path(word).suffix in _SCRIPTS]
    files = [root / name for name in dict.fromkeys([*named, *modules])]
    return [file for file in files if file.is_file() and file.resolve().is_relative_to(root)]


def _text(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(_MOST_BYTES)
    except OSError:
        return ""

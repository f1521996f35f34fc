"""A build's output, read for the step that failed: the classic builder's and BuildKit's."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

from mlflow_azureml_backend.workspace.failures import without_secrets

if TYPE_CHECKING:
    from mlflow_azureml_backend.workspace.images.progress import Progress

_LAST_LINES = 15
_CLASSIC_STEP = re.compile(r"Step (?P<place>\d+/\d+) : (?P<step>.+)")
_BUILDKIT_STEP = re.compile(r"#(?P<vertex>\d+) (?P<place>\[[^\]]*\d+/\d+\]) (?P<step>.+)")
_BUILDKIT_LINE = re.compile(r"#(?P<vertex>\d+) (?P<time>\d+\.\d+ )?(?P<text>.*)")
_CLASSIC_NOISE = re.compile(r" ---> |Removing intermediate container |Successfully built ")
_BUILDKIT_NOISE = re.compile(r"(DONE \d.*|sha256:.*|\.\.\.|\[internal\].*|transferring .*)?")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class BuildOutput:
    """Follow a build, show its lines, and remember the step that they are of.

    Args:
        progress: Where the lines are shown.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._steps: dict[str, str] = {}
        self._lines: dict[str, deque[str]] = {}
        self._current = ""

    def classic(self, text: str) -> None:
        """Take what the classic builder says next, of one line or several."""
        for line in _clean(text):
            if found := _CLASSIC_STEP.fullmatch(line):
                self._current = found["place"]
                self._steps[self._current] = found["step"]
            elif not _CLASSIC_NOISE.match(line):
                self._keep(line)
            self._progress.line(line)

    def buildkit(self, text: str) -> None:
        """Take one line of BuildKit's plain progress."""
        for line in _clean(text):
            if found := _BUILDKIT_STEP.fullmatch(line):
                self._steps[found["vertex"]] = f"{found['place']} {found['step']}"
            elif not (found := _BUILDKIT_LINE.fullmatch(line)):
                continue  # it says the failure again, and differently in each version
            elif found["time"] is None and found["text"].startswith("ERROR"):
                self._current = found["vertex"]
                continue
            elif _BUILDKIT_NOISE.fullmatch(found["text"]):
                continue
            elif found["text"] != "CACHED":
                self._keep(found["text"], found["vertex"])
            self._progress.line(line)

    def failure(self, words: str) -> str:
        """Say which step failed, with the last lines that it printed.

        Args:
            words: The builder's own words.
        """
        said = without_secrets(words.strip().rstrip("."))
        step = self._steps.get(self._current)
        if step is None:
            return f"The Docker build failed before its first step: {said}."
        place = "" if step.startswith("[") else f"{self._current} "
        text = f"The Docker build failed at step {place}`{step}`: {said}."
        if lines := self._lines.get(self._current):
            text += " It printed:\n" + "\n".join(f"    {without_secrets(line)}" for line in lines)
        return text

    def _keep(self, line: str, step: str = "") -> None:
        self._lines.setdefault(step or self._current, deque(maxlen=_LAST_LINES)).append(line)


def _clean(text: str) -> list[str]:
    return [line.rstrip() for line in _COLOUR.sub("", text).splitlines() if line.strip()]

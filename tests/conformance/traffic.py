"""The traffic of an emulator under test: what is recorded is held against the official OpenAPI."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.conformance.openapi import FOLDER, problems

if TYPE_CHECKING:
    from pathlib import Path


class Traffic:
    """Read what an emulator recorded, each exchange once.

    Args:
        file: the emulator's recording.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._position = 0
        self.checked = 0

    def faults(self) -> list[str]:
        """Tell how the exchanges since the last time break the specification."""
        if not FOLDER.is_dir() or not self._file.is_file():
            return []
        with self._file.open("rb") as stream:
            stream.seek(self._position)
            lines = stream.read().split(b"\n")
        # The last one is not whole yet, or empty.
        self._position += sum(len(line) + 1 for line in lines[:-1])
        found: dict[str, None] = {}
        for line in lines[:-1]:
            exchange = json.loads(line)
            self.checked += 1
            asked = f"{exchange['method']} {exchange['uri']} -> {exchange['status']}"
            agent = exchange["request_headers"].get("user-agent", "no client")
            for problem in problems(exchange):
                found.setdefault(f"{problem}\n    in {asked}\n    by {agent}")
        return list(found)

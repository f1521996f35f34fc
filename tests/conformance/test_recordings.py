"""Every recording of real traffic, replayed against the emulator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.recording import FOLDER, read
from tests.conformance.replay import table
from tests.conformance.session import DIFFERENT

if TYPE_CHECKING:
    from tests.conformance.replay import Replayer

FILES = sorted(FOLDER.glob("*.json")) or [Path("no recordings")]


@pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the recordings of real traffic are not beside this checkout"
)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_recorded_session_goes_the_same_way(file: Path, replayer: Replayer) -> None:
    results = replayer.replay(read(file))

    different = [result for result in results if result.verdict == DIFFERENT]
    assert different == [], table(file, different)

"""What the conformance tests share: one emulator for all recordings, and the recordings."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.replay import Replayer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.emulator.endpoint import Endpoint


@pytest.fixture(scope="session")
def paced_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Run an emulator whose jobs can be caught in each status, as the recorded ones were."""
    from mlflow_azureml_backend.emulator import lifecycle

    root = tmp_path_factory.mktemp("paced") / "root"
    endpoint = lifecycle.start(root, runtime="host", dwell_seconds=0.3, idle_seconds=3600)
    try:
        yield endpoint
    finally:
        lifecycle.stop(root)


@pytest.fixture
def replayer(paced_emulator: Any) -> Iterator[Replayer]:
    with closing(Replayer(paced_emulator)) as made:
        yield made

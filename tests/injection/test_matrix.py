"""The corners of the injection matrix; `make matrix` runs all of it."""

from __future__ import annotations

import pytest

from tests.injection.matrix import VERSIONS, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize(("version", "python"), [(VERSIONS[0], "3.10"), (VERSIONS[-1], "3.11")])
def test_everything_is_logged_beside_the_oldest_and_the_newest_mlflow(
    version, python, store, workspace_config
):
    result = run(version, python, {"workspace": workspace_config})

    assert result.status == "FINISHED"

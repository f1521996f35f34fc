"""The corners of the injection matrix; `make matrix` runs all of it."""

from __future__ import annotations

import io

import pytest

from mlflow_azureml_backend.emulator.runtimes.uv import Uv
from mlflow_azureml_backend.translate.plugin_releases import packaged_releases
from tests.injection.matrix import VERSIONS, run

pytestmark = pytest.mark.timeout(600)


@pytest.mark.campaign
@pytest.mark.parametrize(("version", "python"), [(VERSIONS[-1], "3.11")])
def test_everything_is_logged_beside_the_newest_mlflow(version, python, store, workspace_config):
    result = run(version, python, {"workspace": workspace_config})

    assert result.status == "FINISHED"


@pytest.mark.slow
def test_the_newest_releases_resolve_beside_the_newest_mlflow_that_they_declare(tmp_path):
    releases = packaged_releases()
    for release in releases.releases[:3]:
        mlflow = max(version for version in releases.mlflow if release.mlflow.contains(version))
        pins = tmp_path / f"{release.version}.in"
        pins.write_text(f"azureml-mlflow=={release.version}\nmlflow=={mlflow}\n")
        resolved = Uv(tmp_path).run(
            ["pip", "compile", "--quiet", "--python-version", "3.11", str(pins)], io.StringIO()
        )
        assert f"azureml-mlflow=={release.version}" in resolved
        assert f"mlflow=={mlflow}" in resolved

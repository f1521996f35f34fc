"""The tests of the clients hold with the oldest versions of them that this package allows, too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(600)]

HERE = Path(__file__).parent
CLIENTS = {
    "azure-storage-blob==12.19.0": "test_edge_blobs.py",
    "azure-ai-ml==1.30.0": "test_control_client.py",
}
LOOK = """
import importlib, importlib.metadata, json, sys
module = importlib.import_module(sys.argv[1].replace("-", "."))
print(json.dumps([importlib.metadata.version(sys.argv[1]), module.__file__]))
"""


@pytest.fixture
def older(request: pytest.FixtureRequest) -> Path:
    """Put an older version of a package, and what it needs, before all others; it is kept."""
    requirement = request.param
    uv = pytest.importorskip("uv", reason="uv installs the older versions")
    folder = Path(request.config.cache.mkdir(requirement.replace("==", "-")))
    if not (folder / "azure").exists():
        command = ["pip", "install", "--quiet", "--python", sys.executable]
        done = subprocess.run(
            [uv.find_uv_bin(), *command, "--target", folder, requirement],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"{requirement} cannot be installed: {done.stderr.strip()[-300:]}")
    return folder


@pytest.mark.parametrize(
    ("older", "requirement"), [(name, name) for name in CLIENTS], indirect=["older"]
)
def test_the_same_holds_with_the_oldest_version_that_is_allowed(
    older: Path, requirement: str
) -> None:
    package, _, version = requirement.partition("==")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(older), *sys.path])}
    # The tests must not pass because they ran with the newest version after all.
    used = subprocess.run(
        [
            sys.executable,
            "-c",
            LOOK,
            package,
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found, file = json.loads(used.stdout.splitlines()[-1])
    assert found == version
    assert Path(file).is_relative_to(older)

    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            HERE / CLIENTS[requirement],
        ],
        env=environment,
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout

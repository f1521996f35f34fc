"""`mlflow-azureml plugin refresh` asks the index that pip uses, and keeps what it knew."""

from __future__ import annotations

import importlib.util
import json
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from mlflow_azureml_backend.cli import main
from mlflow_azureml_backend.translate.injection import plan_injection
from mlflow_azureml_backend.translate.plugin_releases import read_releases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pip") is None, reason="this environment has no pip"
)


def wheel(folder: Path, name: str, version: str, *requires: str) -> None:
    """Put a package without code into a package index's folder."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Python: >=3.8"]
    metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
    with zipfile.ZipFile(place / f"{stem}-py3-none-any.whl", "w") as file:
        file.writestr(f"{stem}.dist-info/METADATA", "\n".join(metadata) + "\n")
        file.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr(f"{stem}.dist-info/RECORD", "")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Serve a package index in which MLflow and the plugin have a release nobody knows yet."""
    folder = tmp_path / "index"
    wheel(folder, "mlflow", "3.18.0")
    wheel(folder, "mlflow", "9.9.0")
    wheel(folder, "azureml-mlflow", "1.62.0")
    requires = ("mlflow-skinny<=9.9.0", "azure-identity", 'flask; extra == "deployments"')
    wheel(folder, "azureml-mlflow", "9.0.0", *requires)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    yield folder
    server.shutdown()
    server.server_close()


def test_a_new_release_is_learned_and_used(index: Path, tmp_path: Path) -> None:
    output = tmp_path / "releases.json"
    result = CliRunner().invoke(main, ["plugin", "refresh", "--output", str(output)])

    assert result.exit_code == 0, result.output
    assert "New: 9.0.0." in result.output
    assert "Newest: azureml-mlflow 9.0.0, MLflow to 9.9.0." in result.output
    document = json.loads(output.read_text())
    assert document["releases"]["9.0.0"] == {
        "python": ">=3.8",
        "requires": ["mlflow-skinny<=9.9.0", "azure-identity"],
    }
    # What was known is not asked for again: the index's own 1.62.0 requires nothing.
    assert "mlflow-skinny<=3.9.0" in document["releases"]["1.62.0"]["requires"]
    injection = plan_injection(
        ["mlflow==9.9.0"], client_mlflow="3.1.0", releases=read_releases(document)
    )
    assert injection.requirements == ("azureml-mlflow==9.0.0",)


def test_an_index_that_does_not_answer_is_one_line(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_RETRIES", "0")
    output = tmp_path / "releases.json"
    result = CliRunner().invoke(main, ["plugin", "refresh", "--output", str(output)])

    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert "pip cannot ask the package index" in result.output
    assert not output.exists()


def test_a_file_that_cannot_be_written_is_one_line(index: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["plugin", "refresh", "--output", str(tmp_path / "no folder" / "releases.json")]
    )

    assert result.exit_code == 1
    assert "cannot be written" in result.output
    assert "--output" in result.output

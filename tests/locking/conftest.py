"""What the tests of locks share: a conda channel and a package index on loopback, and projects."""

from __future__ import annotations

import base64
import hashlib
import http.server
import os
import threading
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.emulator.runtimes.conftest import channel, make_channel

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["channel", "make_channel"]  # fixtures


@dataclass
class Index:
    """A package index on loopback that tells the hash of every file, as the real one does."""

    folder: Path
    url: str

    def add(self, name: str, version: str, *requires: str, tag: str = "py3-none-any") -> str:
        """Add a wheel with one module that prints its version; give the wheel's SHA-256."""
        stem = f"{name.replace('-', '_')}-{version}"
        metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"]
        metadata += [f"Requires-Dist: {requirement}\n" for requirement in requires]
        files = {
            f"{name.replace('-', '_')}.py": f"VERSION = {version!r}\n",
            f"{stem}.dist-info/METADATA": "".join(metadata),
            f"{stem}.dist-info/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        }
        record = "".join(f"{path},{_digest(text)},{len(text)}\n" for path, text in files.items())
        files[f"{stem}.dist-info/RECORD"] = f"{record}{stem}.dist-info/RECORD,,\n"
        place = self.folder / name
        place.mkdir(parents=True, exist_ok=True)
        wheel = place / f"{stem}-{tag}.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, text in files.items():
                archive.writestr(path, text)
        links = [
            f'<a href="{file.name}#sha256={hashlib.sha256(file.read_bytes()).hexdigest()}">'
            f"{file.name}</a>\n"
            for file in sorted(place.glob("*.whl"))
        ]
        (place / "index.html").write_text(f"<!DOCTYPE html><html><body>{''.join(links)}</body>")
        return hashlib.sha256(wheel.read_bytes()).hexdigest()


def _digest(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
    return f"sha256={digest.rstrip(b'=').decode()}"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """Serve an empty index, and make it pip's: through pip's configuration file alone."""
    folder = tmp_path / "index"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(folder))
    )
    # A client that goes away is no news, and would stand in what a test reads.
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    settings = tmp_path / "pip.conf"
    settings.write_text(f"[global]\nindex-url = {url}\n")
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "UV_DEFAULT_INDEX"):
        monkeypatch.delenv(name, raising=False)
    # Whoever runs the tests may have conda; these are of the solver that everybody has.
    for name in ("CONDA_EXE", "MAMBA_EXE"):
        monkeypatch.delenv(name, raising=False)
    places = os.environ["PATH"].split(os.pathsep)
    solvers = ("conda", "mamba", "micromamba")
    kept = [place for place in places if not any(Path(place, name).exists() for name in solvers)]
    monkeypatch.setenv("PATH", os.pathsep.join(kept))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(tmp_path / "rattler-cache"))
    yield Index(folder, url)
    server.shutdown()
    server.server_close()


@dataclass
class Project:
    """A project's folder."""

    root: Path

    def write(self, *dependencies: object, channels: list[str], **more: object) -> None:
        content = {"channels": channels, "dependencies": list(dependencies), **more}
        (self.root / "conda.yaml").write_text(yaml.safe_dump(content, sort_keys=False))

    @property
    def lock(self) -> Path:
        return self.root / "conda-lock.yml"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Make a project in a folder with spaces and letters beyond ASCII."""
    root = tmp_path / "Mein Projekt für Zürich"
    root.mkdir()
    (root / "MLproject").write_text(
        "name: locked\nconda_env: conda.yaml\nentry_points:\n  main:\n    command: python show.py\n"
    )
    return Project(root)

"""A real image registry on this machine, with TLS and users, for tests."""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.certificate_authority import CertificateAuthority
    from tests.docker_engine import Engine

SECONDS = 60.0
USER, PASSWORD = "builder", "a password of the tests"
# bcrypt of that password, for which Python has no function.
_HTPASSWD = f"{USER}:$2b$05$abcdefghijklmnopqrstuuComanBKiU1JTRzmmvE2xk8ApqQhbSI.\n"
_REQUEST = re.compile(r'"(?P<method>[A-Z]+) (?P<path>/v2/\S*) HTTP/[\d.]+" (?P<status>\d+)')


@dataclass(frozen=True)
class Registry:
    """A registry that answers.

    Args:
        address: its host and port, as in the name of an image.
        log: where it tells what it was asked for.
    """

    address: str
    log: Path
    read: list[int] = field(default_factory=lambda: [0])

    @property
    def docker_auth(self) -> dict[str, str]:
        return {"username": USER, "password": PASSWORD}

    def sign_in(self, folder: Path) -> None:
        """Leave in a folder of Docker's configuration what `docker login` leaves."""
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        folder.mkdir(exist_ok=True)
        config = {"auths": {self.address: {"auth": pair}}}
        (folder / "config.json").write_text(json.dumps(config))

    def asked(self) -> list[tuple[str, str]]:
        """Give method and path of what it was asked for since the last time."""
        text = self.log.read_text()
        new = text[self.read[0] :]
        self.read[0] = len(text)
        return [(found["method"], found["path"]) for found in _REQUEST.finditer(new)]

    def pushed(self) -> list[str]:
        """Give the paths that were written since the last time."""
        return [path for method, path in self.asked() if method not in ("GET", "HEAD")]


@pytest.fixture(scope="session")
def registry(docker_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Run a registry whose certificate the engine trusts, with one user."""
    if docker_engine.trusts is None:
        pytest.skip("The Docker Engine was running before and does not trust a registry of tests.")
    with running_registry(tmp_path_factory.mktemp("registry"), docker_engine.trusts) as made:
        yield made


@contextmanager
def running_registry(
    folder: Path, authority: CertificateAuthority, auth: Mapping[str, Any] | None = None
) -> Iterator[Registry]:
    """Start a registry that ends with the block.

    It listens on this machine's own address: an engine does not look at the certificates of a
    registry on 127.0.0.1.

    Args:
        folder: where it keeps everything.
        authority: who signs its certificate.
        auth: its `auth` section; default: one user.
    """
    program = shutil.which("docker-registry") or shutil.which("registry")
    if program is None:
        pytest.skip("There is no docker-registry (Debian's package of that name) on this machine.")
    host = _own_address()
    with socket.create_server((host, 0)) as free:
        port = free.getsockname()[1]
    certificate, key = authority.sign(host)
    users = folder / "users"
    users.write_text(_HTPASSWD)
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {
            "addr": f"{host}:{port}",
            "tls": {"certificate": str(certificate), "key": str(key)},
        },
        "auth": auth or {"htpasswd": {"realm": "tests", "path": str(users)}},
    }
    file = folder / "config.yml"
    file.write_text(json.dumps(config))  # which is YAML
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "serve", str(file)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + SECONDS
        while "listening on" not in log.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"The registry does not start here: {log.read_text()[-300:]}")
            time.sleep(0.02)
        yield Registry(f"{host}:{port}", log)
    finally:
        process.terminate()
        process.wait(SECONDS)


def _own_address() -> str:
    told = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout
    found = [address for address in told.split() if re.fullmatch(r"[\d.]+", address)]
    if not found:
        pytest.skip("This machine has no address but that of its loopback.")
    return found[0]

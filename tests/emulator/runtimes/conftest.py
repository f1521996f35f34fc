"""What the tests of the runtimes share: a conda channel on loopback, and jobs over the wire."""

from __future__ import annotations

import base64
import ensurepip
import hashlib
import http.server
import io
import json
import platform
import ssl
import sys
import tarfile
import threading
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests import signing_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mlflow_azureml_backend.emulator.endpoint import Endpoint

SECONDS = 60.0
PYTHON = "{}.{}.{}".format(*sys.version_info)
SITE = "site-packages"
# Where a package was built; its files name this place until they are installed elsewhere.
BUILT_AT = "/built/" + 30 * "placehold"


@dataclass(frozen=True)
class File:
    """A file of a package; a link when it has a target."""

    text: bytes = b""
    mode: int = 0o644
    target: str | None = None


def subdir() -> str:
    system = {"Linux": "linux", "Darwin": "osx"}[platform.system()]
    machine = {"x86_64": "64", "aarch64": "aarch64", "arm64": "arm64"}[platform.machine()]
    return f"{system}-{machine}"


@dataclass
class Channel:
    """A conda channel, served over http on loopback; it can tell what it was asked for."""

    folder: Path
    port: int = 0
    password: str | None = None
    asked: list[str] = field(default_factory=list)
    opened: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def downloads(self) -> list[str]:
        return [path for path in self.asked if path.endswith((".tar.bz2", ".conda"))]

    def add(
        self,
        name: str,
        version: str,
        files: Mapping[str, File],
        *,
        depends: Sequence[str] = (),
        entry_points: Sequence[str] | None = None,
    ) -> None:
        """Build a package by hand, and list it; entry points make it a noarch Python package."""
        noarch = {"noarch": "python"} if entry_points is not None else {}
        where = "noarch" if noarch else subdir()
        index = {
            "name": name,
            "version": version,
            "build": "0",
            "build_number": 0,
            "depends": list(depends),
            "subdir": where,
            **noarch,
        }
        paths = {"paths_version": 1, "paths": [_path(*entry) for entry in files.items()]}
        members = {
            **files,
            "info/index.json": File(json.dumps(index).encode()),
            "info/paths.json": File(json.dumps(paths).encode()),
        }
        if noarch:
            link = {"noarch": {"type": "python", "entry_points": list(entry_points or ())}}
            text = json.dumps({**link, "package_metadata_version": 1})
            members["info/link.json"] = File(text.encode())
        packed = _packed(members)
        file = f"{name}-{version}-0.tar.bz2"
        folder = self.folder / where
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(packed)
        listing = folder / "repodata.json"
        known = {"info": {"subdir": where}, "packages": {}, "repodata_version": 1}
        if listing.exists():
            known = json.loads(listing.read_text())
        digest = hashlib.sha256(packed).hexdigest()
        known["packages"][file] = {**index, "sha256": digest, "size": len(packed)}
        listing.write_text(json.dumps(known))


def _path(name: str, file: File) -> dict[str, Any]:
    if file.target is not None:
        return {"_path": name, "path_type": "softlink"}
    entry = {
        "_path": name,
        "path_type": "hardlink",
        "sha256": hashlib.sha256(file.text).hexdigest(),
        "size_in_bytes": len(file.text),
    }
    if BUILT_AT.encode() in file.text:
        entry |= {"file_mode": "text", "prefix_placeholder": BUILT_AT}
    return entry


def _packed(members: Mapping[str, File]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:bz2") as archive:
        for name, file in members.items():
            member = tarfile.TarInfo(name)
            member.mode, member.size = file.mode, len(file.text)
            if file.target is not None:
                member.type, member.linkname = tarfile.SYMTYPE, file.target
            archive.addfile(member, io.BytesIO(file.text))
    return packed.getvalue()


def add_python(channel: Channel) -> None:
    """Add this machine's Python, laid out like a virtual environment, and its pip."""
    program = Path(sys.executable).resolve()
    short = ".".join(PYTHON.split(".")[:2])
    settings = f"home = {program.parent}\nversion = {PYTHON}\n"
    channel.add(
        "python",
        PYTHON,
        {
            f"bin/python{short}": File(target=str(program)),
            "bin/python3": File(target=f"python{short}"),
            "bin/python": File(target=f"python{short}"),
            "pyvenv.cfg": File(settings.encode()),
            f"lib/python{short}/site-packages/README": File(b"made in a test\n"),
        },
    )
    [wheel] = Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        files = {f"{SITE}/{name}": File(archive.read(name)) for name in names}
    version = wheel.name.split("-")[1]
    entry = ["pip = pip._internal.cli.main:main"]
    channel.add("pip", version, files, depends=["python"], entry_points=entry)


def add_greeting(channel: Channel, version: str) -> None:
    """Add a Python package with a program of its own."""
    code = f"def main():\n    print('greetings', '{version}')\n".encode()
    files = {f"{SITE}/greeting.py": File(code)}
    entry = ["greet = greeting:main"]
    channel.add("greeting", version, files, depends=["python >=3.10"], entry_points=entry)


@pytest.fixture
def make_channel(tmp_path: Path) -> Iterator[Callable[..., Channel]]:
    """Serve channels until the test has ended."""
    servers = []

    def make(*, password: str | None = None, certificate: Path | None = None) -> Channel:
        channel = Channel(tmp_path / f"channel-{len(servers)}", password=password)
        (channel.folder / "noarch").mkdir(parents=True)
        for where in ("noarch", subdir()):
            (channel.folder / where).mkdir(exist_ok=True)
            empty = {"info": {"subdir": where}, "packages": {}, "repodata_version": 1}
            (channel.folder / where / "repodata.json").write_text(json.dumps(empty))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(channel))
        # A client that goes away is no news, and would stand in what a test reads.
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        channel.opened.set()
        channel.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append((server, channel))
        return channel

    yield make
    for server, channel in servers:
        channel.opened.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def channel(make_channel: Callable[..., Channel]) -> Channel:
    """Serve a channel with this machine's Python, and a package in three versions."""
    made = make_channel()
    add_python(made)
    for version in ("1.0", "1.5", "2.0"):
        add_greeting(made, version)
    return made


def _handler(channel: Channel) -> type[http.server.SimpleHTTPRequestHandler]:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(channel.folder))

        def do_GET(self) -> None:
            channel.asked.append(self.path)
            channel.opened.wait()
            if self._is_welcome():
                super().do_GET()

        def do_HEAD(self) -> None:
            channel.asked.append(self.path)
            if self._is_welcome():
                super().do_HEAD()

        def log_message(self, *arguments: Any) -> None:
            pass

        def _is_welcome(self) -> bool:
            if channel.password is None:
                return True
            known = base64.b64encode(f"reader:{channel.password}".encode()).decode()
            if self.headers["Authorization"] == f"Basic {known}":
                return True
            self.send_error(401)
            return False

    return Handler


@pytest.fixture(scope="module")
def access_token(emulator: Endpoint) -> str:
    """Sign in at the emulator of the module, and wait until its tracking server is there."""
    token = signing_in.access_token(emulator)
    workspace = (
        f"/subscriptions/{emulator.subscription_id}/resourceGroups/{emulator.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{emulator.workspace_name}"
    )
    requests.get(
        f"https://eastus.api.azureml.ms/mlflow/v2.0{workspace}/api/2.0/mlflow/experiments/search",
        params={"max_results": 1},
        headers={"Authorization": f"Bearer {token}"},
        proxies={"https": emulator.proxy},
        verify=emulator.ca_file,
        timeout=200,
    ).raise_for_status()
    return token


class Runs:
    """Run jobs in environments, and read what they leave."""

    def __init__(self, ask: Any, jobs: Any, workspace: Any, history: str) -> None:
        self._ask, self._jobs, self._workspace, self._history = ask, jobs, workspace, history

    def add_environment(self, name: str, **properties: Any) -> str:
        path = f"/environments/{name}/versions/1"
        self._ask("PUT", path, {"properties": properties}).raise_for_status()
        return f"{self._workspace.arm_id}{path}"

    def submit(self, name: str, command: str, environment: str, **properties: Any) -> str:
        sent = {"environmentId": environment, **properties}
        self._jobs.submit(name, command, **sent).raise_for_status()
        return name

    def end_of(self, name: str) -> str:
        return str(self._jobs.wait(name)["status"])

    def run(self, name: str, command: str, environment: str, **properties: Any) -> str:
        return self.end_of(self.submit(name, command, environment, **properties))

    def details(self, name: str) -> dict[str, Any]:
        return dict(self._ask("GET", f"{self._history}/runs/{name}/details").json())

    def error(self, name: str) -> str:
        return str(self.details(name)["error"]["error"]["message"])

    def log(self, name: str, path: str = "user_logs/std_log.txt") -> str:
        endpoint = self._workspace.endpoint
        answer = requests.get(
            self.details(name)["logFiles"][path],
            proxies={"https": endpoint.proxy},
            verify=endpoint.ca_file,
            timeout=SECONDS,
        )
        answer.raise_for_status()
        return answer.text

    def artifacts(self, name: str) -> set[str]:
        where = f"{self._history}/experiments/Default/runs/{name}/artifacts"
        answer = self._ask("GET", where)
        answer.raise_for_status()
        return {artifact["path"] for artifact in answer.json()["value"]}

    def build_log(self, name: str) -> str:
        return self.log(name, "azureml-logs/20_image_build_log.txt")


@pytest.fixture
def runs(ask: Any, jobs: Any, workspace: Any, history: str) -> Runs:
    """Give what runs jobs on the emulator of the module."""
    return Runs(ask, jobs, workspace, history)

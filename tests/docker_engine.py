"""A Docker Engine for tests, and an image that needs no registry."""

from __future__ import annotations

import io
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.certificate_authority import CertificateAuthority

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 60.0


@dataclass(frozen=True)
class Engine:
    """An engine that answers.

    Args:
        host: where, as in DOCKER_HOST.
        trusts: the authority that it trusts; None for one that these tests did not start.
    """

    host: str
    trusts: CertificateAuthority | None = None


@pytest.fixture(scope="session")
def docker_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Give a Docker Engine: a private one where this user may start it, or the one that answers."""
    docker = pytest.importorskip("docker")
    if _program() is None or os.geteuid() != 0:
        try:
            docker.from_env().close()
        except docker.errors.DockerException:
            pytest.skip("No Docker Engine answers, and there is none that this user may start.")
        yield Engine(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
        return
    authority = CertificateAuthority(tmp_path_factory.mktemp("authority"))
    with private_engine(authority) as engine:
        yield engine


@pytest.fixture(scope="session")
def docker_host(docker_engine: Engine) -> str:
    """Give the address of a Docker Engine."""
    return docker_engine.host


@contextmanager
def private_engine(authority: CertificateAuthority, data: Path | None = None) -> Iterator[Engine]:
    """Start an engine that ends with the block.

    Args:
        authority: whose certificates it trusts, beside this machine's.
        data: where it keeps images; default: beside its socket.
    """
    folder = Path(tempfile.mkdtemp(prefix="dockerd-"))  # short: it is in the name of a socket
    host = f"unix://{folder}/docker.sock"
    command = [
        str(_program()),
        *("--host", host),
        *("--data-root", str(data or folder / "data")),
        *("--exec-root", str(folder / "exec")),
        *("--pidfile", str(folder / "pid")),
        *("--bridge=none", "--iptables=false", "--ip6tables=false"),
        *("--ip-forward=false", "--ip-masq=false", "--cgroup-parent=docker"),
    ]
    try:
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_surroundings(authority.bundle),
            )
        try:
            _await(host, process, folder / "log")
            yield Engine(host, authority)
        finally:
            process.terminate()
            process.wait(SECONDS)
            # It leaves this mounted.
            left = str(folder / "exec" / "netns" / "default")
            subprocess.run(["umount", left], check=False, capture_output=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program() -> str | None:
    return shutil.which("dockerd", path=f"{os.environ.get('PATH')}:/usr/sbin:/usr/local/sbin")


def _surroundings(bundle: Path) -> dict[str, str]:
    """Give the engine's variables: no proxy, which may be that of another test's emulator."""
    kept = {k: v for k, v in os.environ.items() if not k.upper().endswith("_PROXY")}
    return {**kept, "SSL_CERT_FILE": str(bundle)}


def _await(host: str, process: subprocess.Popen[bytes], log: Path) -> None:
    import docker

    deadline = time.monotonic() + SECONDS
    while True:
        try:
            docker.DockerClient(host).close()
        except docker.errors.DockerException:
            if process.poll() is not None or time.monotonic() > deadline:
                last = log.read_text().strip().splitlines()[-1:]
                pytest.skip(f"dockerd does not start here: {last}")
            time.sleep(0.05)
        else:
            return


PROGRAMS = ("bash", "sh", "cat", "df", "env", "grep", "id", "ls", "mkdir", "sleep", "true")


@pytest.fixture(scope="session")
def base_image(docker_host: str) -> Iterator[str]:
    """Make an image of this machine's bash, Python and a few programs; no registry is needed."""
    if platform.system() != "Linux":
        pytest.skip("The programs of this machine do not run in containers, which are Linux.")
    import docker

    client = docker.DockerClient(docker_host)
    before = _tags(client)
    changes = ["ENV PATH=/opt/python/bin:/usr/bin:/bin OF_THE_IMAGE=1"]
    client.api.import_image_from_data(
        _machine(), repository="mlflow-azureml-test", tag="base", changes=changes
    )
    yield "mlflow-azureml-test:base"
    for tag in _tags(client) - before:
        client.images.remove(tag, force=True)
    client.close()


def _tags(client: Any) -> set[str]:
    """Give the images of tests and of emulators on an engine."""
    ours = ("mlflow-azureml-test", "mlflow-azureml-emulator")
    return {tag for name in ours for image in client.images.list(name) for tag in image.tags}


def _machine() -> bytes:
    """Pack programs of this machine with all that they load, as the root of a file system."""
    short = f"{sys.version_info.major}.{sys.version_info.minor}"
    python = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    left_out = {"test", "tests", "site-packages", "idlelib", "__pycache__", "lib2to3", "ensurepip"}
    modules = [
        file
        for file in library.rglob("*")
        if file.is_file() and not left_out & set(file.relative_to(library).parts)
        if not file.relative_to(library).parts[0].startswith("config-")
    ]
    programs = {name: Path(shutil.which(name) or f"/bin/{name}").resolve() for name in PROGRAMS}
    objects = [python, *programs.values(), *(file for file in modules if file.suffix == ".so")]
    loaded = {
        line
        for file in objects
        for line in re.findall(
            r"(?m)(?:=> )?(/\S+) \(0x",
            subprocess.run(["ldd", file], capture_output=True, text=True, check=False).stdout,
        )
    }
    # Compiled packages count on these, wherever the loader finds them.
    ldconfig = shutil.which("ldconfig", path=f"{os.environ.get('PATH')}:/usr/sbin:/sbin") or "true"
    cache = subprocess.run([ldconfig, "-p"], capture_output=True, text=True, check=False).stdout
    for name in ("libgcc_s.so.1", "libstdc++.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1"):
        loaded |= set(re.findall(rf"{re.escape(name)} .* => (\S+)", cache)[:1])
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", dereference=True) as archive:
        for name, file in programs.items():
            archive.add(file, f"bin/{name}")
        archive.add(python, f"opt/python/bin/python{short}")
        for name in ("python", "python3"):
            link = tarfile.TarInfo(f"opt/python/bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, f"python{short}"
            archive.addfile(link)
        for file in modules:
            archive.add(file, f"opt/python/lib/python{short}/{file.relative_to(library)}")
        for file in sorted(loaded):
            archive.add(file, file.lstrip("/"))
        for folder in ("tmp", "usr/bin", "etc", "dev", "proc", "sys"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            archive.addfile(entry)
    return packed.getvalue()

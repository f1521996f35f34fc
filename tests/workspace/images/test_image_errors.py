"""Each thing that goes wrong with a real engine or registry is one message that says what to do."""

from __future__ import annotations

import base64
import http.server
import json
import os
import re
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from mlflow_azureml_backend.errors import ImageError
from tests.certificate_authority import CertificateAuthority
from tests.docker_engine import private_engine
from tests.image_registry import PASSWORD, running_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.docker_engine import Engine
    from tests.workspace.images.conftest import Machine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def small(machine: Machine) -> Machine:
    """Give a machine with a project that needs no base image."""
    machine.write("FROM scratch\nCOPY file /file\n", file="small")
    return machine


def message(machine: Machine, repository: str, **options: Any) -> str:
    with pytest.raises(ImageError) as caught:
        machine.build(repository, **options)
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("auth", "reason"),
    [
        pytest.param(None, "no basic auth credentials", id="nobody"),
        pytest.param({"username": "builder", "password": "no"}, "401", id="a wrong password"),
    ],
)
def test_who_is_not_known_is_told_how_to_sign_in(
    small: Machine, auth: Any, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    told = message(small, small.repository("closed/project"), auth=auth)
    address = small.registry.address

    assert f"{address} does not accept who asks" in told
    assert reason in told
    assert f"Sign in with `docker login {address}`" in told
    assert "Step" not in capfd.readouterr().err  # nothing was built in vain


def test_an_unknown_authority_is_named(
    small: Machine, docker_engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    with running_registry(tmp_path, CertificateAuthority(tmp_path / "other")) as stranger:
        told = message(small, f"{stranger.address}/project")

    assert f"does not trust the certificate of {stranger.address}" in told
    assert f"/etc/docker/certs.d/{stranger.address}/ca.crt" in told


def test_a_registry_that_is_not_there_is_named(small: Machine) -> None:
    host = small.registry.address.partition(":")[0]
    with socket.create_server((host, 0)) as taken:
        port = taken.getsockname()[1]
    told = message(small, f"{host}:{port}/project")

    assert f"the Docker Engine cannot reach {host}:{port}" in told


def test_a_push_that_is_denied_names_the_repository_and_the_role(
    small: Machine, docker_engine: Engine, tmp_path: Path
) -> None:
    assert docker_engine.trusts is not None
    with (
        token_server(docker_engine.trusts) as auth,
        running_registry(tmp_path, docker_engine.trusts, auth) as azure_like,
    ):
        allowed = small.build(f"{azure_like.address}/mine/project")
        told = message(small, f"{azure_like.address}/theirs/project")

    assert allowed.startswith(f"{azure_like.address}/mine/project@sha256:")
    assert told.startswith(f"Error while pushing to {azure_like.address}/theirs/project")
    assert "does not let this user do that" in told
    assert "AcrPush" in told


def test_a_step_that_fails_is_shown_with_what_it_printed(
    machine: Machine, builder: str, base_image: str
) -> None:
    machine.write(f"FROM {base_image}\nRUN true\nRUN echo before >&2; echo missing >&2; exit 7\n")
    told = message(machine, machine.repository("broken/project"))

    assert re.match(r"The Docker build failed at step .*3/3.*RUN echo before", told)
    assert told.endswith("It printed:\n    before\n    missing")
    assert "7" in told.partition("It printed")[0].partition("exit 7`")[2]


@pytest.mark.parametrize(
    ("dockerfile", "reason"),
    [
        pytest.param("FROM scratch\nCPY a /a\n", "unknown instruction: CPY", id="no instruction"),
        pytest.param("FROM scratch\nCOPY none /\n", "none", id="no such file"),
    ],
)
def test_a_dockerfile_that_cannot_be_built_is_explained(
    machine: Machine, builder: str, dockerfile: str, reason: str
) -> None:
    machine.write(dockerfile)
    told = message(machine, machine.repository("broken/project"))

    assert told.startswith("The Docker build failed ")
    assert reason in told


def test_a_full_disk_is_said_to_be_full(
    small: Machine, docker_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert docker_engine.trusts is not None
    data = tmp_path / "data"
    data.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(data)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("No small file system can be mounted here.")
    try:
        with private_engine(docker_engine.trusts, data) as engine:
            monkeypatch.setenv("DOCKER_HOST", engine.host)
            (small.folder / "large").write_bytes(os.urandom(40 << 20))
            small.write("FROM scratch\nCOPY large /\n")
            told = message(small, small.repository("large/project"))
    finally:
        subprocess.run(["umount", str(data)], check=True)

    assert told.startswith("The disk is full that the Docker Engine, or the registry, writes to")
    assert "`docker system prune`" in told


def test_who_may_not_use_the_engine_is_told_how_to(small: Machine, docker_engine: Engine) -> None:
    if os.geteuid() != 0:
        pytest.skip("Only root can be somebody else for a while.")
    small.build(small.repository("open/project"))  # whatever is imported is imported now
    os.seteuid(65534)
    try:
        told = message(small, small.repository("open/project"))
    finally:
        os.seteuid(0)

    assert f"This user may not use the Docker Engine at {docker_engine.host}" in told
    assert "usermod -aG docker" in told


def test_an_image_that_the_job_could_not_get_is_refused(small: Machine, docker_host: str) -> None:
    import docker

    client = docker.DockerClient(docker_host)
    client.images.build(path=str(small.folder), tag="only-here:1")
    client.close()
    with pytest.raises(ImageError) as caught:
        small.take("only-here:1")

    assert "The image 'only-here:1' is only on this machine" in str(caught.value)
    assert '"image": {"repository": "myregistry.azurecr.io/team/project"}' in str(caught.value)


@contextmanager
def token_server(authority: CertificateAuthority) -> Iterator[dict[str, Any]]:
    """Let a registry ask for tokens, as Azure's do; they let push below `mine/` alone."""
    import jwt
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    certificate, key = (file.read_bytes() for file in authority.sign("tokens.test"))
    der = x509.load_pem_x509_certificate(certificate).public_bytes(serialization.Encoding.DER)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            access = []
            for scope in parse_qs(urlsplit(self.path).query).get("scope", []):
                kind, name, actions = scope.split(":")
                allowed = actions.split(",") if name.startswith("mine/") else ["pull"]
                access.append({"type": kind, "name": name, "actions": allowed})
            now = int(time.time())
            claims = {"iss": "tests", "aud": "registry", "sub": "builder", "jti": str(now)}
            claims |= {"iat": now, "nbf": now - 60, "exp": now + 600, "access": access}
            header = {"x5c": [base64.b64encode(der).decode()]}
            token = jwt.encode(claims, key, "ES256", header)
            body = json.dumps({"token": token, "access_token": token}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield {
            "token": {
                "realm": f"http://127.0.0.1:{server.server_address[1]}/token",
                "service": "registry",
                "issuer": "tests",
                "rootcertbundle": str(authority.file),
            }
        }
    finally:
        server.shutdown()
        server.server_close()

"""The user's token is changed for one of an Azure registry, and shown to no other."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest

from mlflow_azureml_backend.errors import ImageError
from mlflow_azureml_backend.job import EMULATOR, WorkspaceRef
from mlflow_azureml_backend.workspace.connection import Connection
from mlflow_azureml_backend.workspace.images.credentials import Login, azure_login, log_in
from tests.certificate_authority import CertificateAuthority

if TYPE_CHECKING:
    from collections.abc import Iterator

docker = pytest.importorskip("docker")

REF = WorkspaceRef(subscription_id="s", resource_group="r", workspace_name="w")
HOST = "team.azurecr.io"


@dataclass
class AzureRegistry:
    """What stands for an Azure registry, reached through a proxy as a company would have it."""

    proxy: str
    authority: CertificateAuthority
    status: int = 200
    asked: list[tuple[str, dict[str, list[str]], str | None]] = field(default_factory=list)

    def connection(self) -> Connection:
        def get_token(scope: str, **_options: Any) -> Any:
            return SimpleNamespace(token=f"token for {scope}", expires_on=2**31)

        arguments = {
            "proxies": {"https": self.proxy},
            "connection_verify": str(self.authority.bundle),
        }
        endpoint = SimpleNamespace(
            client_arguments=arguments, credential=lambda **_: SimpleNamespace(get_token=get_token)
        )
        return Connection(REF, endpoint)  # type: ignore[arg-type]


@pytest.fixture
def azure_registry(tmp_path: Path) -> Iterator[AzureRegistry]:
    authority = CertificateAuthority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign(HOST))

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            assert self.path == f"{HOST}:443"
            self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            inside = context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = inside.makefile("rb"), inside.makefile("wb", 0)
            self.handle_one_request()
            inside.close()

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            registry.asked.append((self.path, parse_qs(text), self.headers["Authorization"]))
            body = json.dumps({"refresh_token": "a registry's token"}).encode()
            self.send_response(registry.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True

        def log_message(self, *arguments: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    registry = AzureRegistry(f"http://127.0.0.1:{server.server_address[1]}", authority)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield registry
    server.shutdown()
    server.server_close()


def test_the_users_token_is_changed_for_the_registrys(azure_registry):
    login = azure_login(azure_registry.connection(), HOST)

    assert login.auth_config() == {
        "username": "00000000-0000-0000-0000-000000000000",
        "password": "a registry's token",
    }
    assert "token" not in repr(login)
    [(path, form, authorization)] = azure_registry.asked
    assert path == "/oauth2/exchange"
    assert form == {
        "grant_type": ["access_token"],
        "service": [HOST],
        "access_token": ["token for https://containerregistry.azure.net/.default"],
    }
    assert authorization is None


class Client:
    """An engine that knows no login, and remembers what it is told."""

    def __init__(self) -> None:
        self.api = self
        self.logins: list[dict[str, Any]] = []

    def login(self, **arguments: Any) -> None:
        self.logins.append(arguments)

    def inspect_distribution(self, *_arguments: Any, **_options: Any) -> None:
        raise docker.errors.APIError("no", explanation="unauthorized: authentication required")


@pytest.mark.parametrize(
    ("host", "ref", "exchanged"),
    [
        (HOST, REF, True),
        (HOST, EMULATOR, False),
        (f"{HOST}.example.com", REF, False),
        ("azurecr.io", REF, False),
        ("team.azurecr.io:5000", REF, False),
    ],
)
def test_the_users_token_is_sent_to_registries_of_azure_alone(
    host, ref, exchanged, azure_registry, tmp_path, monkeypatch
):
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    client, connection = Client(), azure_registry.connection()
    connection.ref = ref
    if exchanged:
        login = log_in(client, f"{host}/project", docker_auth=None, connection=connection)
        assert login.auth_config()["password"] == "a registry's token"
        [told] = client.logins
        assert told["registry"] == host
        return
    with pytest.raises(ImageError, match="does not accept who asks"):
        log_in(client, f"{host}/project", docker_auth=None, connection=connection)
    assert azure_registry.asked == client.logins == []


def test_a_registry_that_refuses_the_user_is_explained_without_the_token(azure_registry):
    azure_registry.status = 401
    with pytest.raises(ImageError) as caught:
        azure_login(azure_registry.connection(), HOST)

    assert f"Nobody is signed in to {HOST}" in str(caught.value)
    assert "`az acr login --name team`" in str(caught.value)
    assert "token for" not in str(caught.value)


def test_the_docker_program_gets_a_login_in_a_configuration_that_goes_again(tmp_path, monkeypatch):
    own = tmp_path / "docker"
    (own / "cli-plugins").mkdir(parents=True)
    (own / "config.json").write_text(json.dumps({"credsStore": "desktop", "currentContext": "c"}))
    monkeypatch.setenv("DOCKER_CONFIG", str(own))
    login = Login(registry="r.io", arguments={"username": "u", "password": "p"})

    with login.as_variables() as variables:
        folder = Path(variables["DOCKER_CONFIG"])
        config = json.loads((folder / "config.json").read_text())
        assert (folder / "cli-plugins").is_dir()
        assert folder.stat().st_mode & 0o077 == 0
    assert config == {
        "credsStore": "desktop",
        "currentContext": "c",
        "credHelpers": {"r.io": ""},
        "auths": {"r.io": {"auth": "dTpw"}},
    }
    assert not folder.exists()
    assert (own / "cli-plugins").is_dir()
    with Login(registry="r.io").as_variables() as variables:
        assert variables == {}

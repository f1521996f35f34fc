"""The private authority: what clients trust because of it, and nothing else."""

from __future__ import annotations

import socket
import ssl
import sys
import threading
from datetime import timedelta
from pathlib import Path

import certifi
import pytest
from cryptography import x509

from mlflow_azureml_backend.emulator import certificates


@pytest.mark.parametrize(
    "host",
    [
        "management.azure.com",
        "eastus.api.azureml.ms",
        "account.blob.core.windows.net",
        "login.microsoftonline.com",
        "localhost",
        "127.0.0.1",
    ],
)
def test_a_client_trusts_the_server_for_the_emulated_hosts(tmp_path: Path, host: str) -> None:
    assert handshake(certificates.prepare(tmp_path, {}), host)


@pytest.mark.parametrize("host", ["www.example.org", "portal.azure.com", "a.b.api.azureml.ms"])
def test_a_client_trusts_the_server_for_no_other_host(tmp_path: Path, host: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificates.prepare(tmp_path, {}), host)


def test_the_authority_may_vouch_for_the_emulated_hosts_alone(tmp_path: Path) -> None:
    certificates.prepare(tmp_path, {})
    authority = x509.load_pem_x509_certificate((tmp_path / "authority.pem").read_bytes())
    found = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert found.critical
    names = {str(name.value) for name in found.value.permitted_subtrees or ()}
    assert names == {
        "management.azure.com",
        "api.azureml.ms",
        "blob.core.windows.net",
        "login.microsoftonline.com",
        "vault.azure.net",
        "localhost",
        "127.0.0.1/32",
    }


def test_the_authority_s_key_is_nowhere_and_the_server_s_is_its_owner_s(tmp_path: Path) -> None:
    certificates.prepare(tmp_path, {})
    keys = [file.name for file in tmp_path.iterdir() if b"PRIVATE KEY" in file.read_bytes()]
    assert keys == ["server.pem"]
    if sys.platform != "win32":
        assert (tmp_path / "server.pem").stat().st_mode & 0o077 == 0


def test_certificates_are_kept_until_they_come_close_to_their_end(tmp_path: Path) -> None:
    first = certificates.prepare(tmp_path, {}).server.read_bytes()
    end = x509.load_pem_x509_certificate(first).not_valid_after_utc
    early, late = end - timedelta(days=31), end - timedelta(days=29)
    assert certificates.prepare(tmp_path, {}, now=early).server.read_bytes() == first
    second = certificates.prepare(tmp_path, {}, now=late).server.read_bytes()
    assert x509.load_pem_x509_certificate(second).not_valid_after_utc == late + timedelta(days=365)


@pytest.mark.parametrize("damage", [b"", b"garbage"])
def test_damaged_certificates_are_made_anew(tmp_path: Path, damage: bytes) -> None:
    certificates.prepare(tmp_path, {}).server.write_bytes(damage)
    assert handshake(certificates.prepare(tmp_path, {}), "localhost")


def test_the_bundle_holds_the_public_roots_of_the_process(tmp_path: Path) -> None:
    roots = tmp_path / "roots.pem"
    roots.write_bytes(Path(certifi.where()).read_bytes().split(b"-----END")[0] + b"-----END\n")
    folder = tmp_path / "certificates"
    own = certificates.prepare(folder, {"REQUESTS_CA_BUNDLE": str(roots)}).bundle.read_bytes()
    assert own.startswith(roots.read_bytes().rstrip())
    assert own.endswith((folder / "authority.pem").read_bytes())
    default = certificates.prepare(folder, {}).bundle.read_bytes()
    assert Path(certifi.where()).read_bytes().rstrip() in default


def test_the_bundle_does_not_grow_when_it_is_its_own_source(tmp_path: Path) -> None:
    bundle = certificates.prepare(tmp_path, {}).bundle
    before = bundle.read_bytes()
    certificates.prepare(tmp_path, {"SSL_CERT_FILE": str(bundle)})
    assert bundle.read_bytes() == before


def handshake(found: certificates.Certificates, host: str) -> bool:
    """Shake hands with a server that has the certificate, as a client that wants a host."""
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(found.server)
    client_side = ssl.create_default_context(cafile=str(found.bundle))
    # What Python 3.13 asks for by default.
    client_side.verify_flags |= ssl.VERIFY_X509_STRICT
    one, other = socket.socketpair()

    def serve() -> None:
        try:
            with server_side.wrap_socket(one, server_side=True) as connection:
                connection.recv(1)
        except OSError:
            one.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client_side.wrap_socket(other, server_hostname=host) as connection:
            connection.send(b"x")
            return True
    finally:
        other.close()
        thread.join()

"""The private authority of an emulator, and the one server certificate it ever signs."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mlflow_azureml_backend.emulator.hosts import SERVICES
from mlflow_azureml_backend.emulator.private_files import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES: Final = (*SERVICES, "localhost")
"""The host names the server certificate stands for, besides 127.0.0.1."""

_LOOPBACK: Final = ipaddress.IPv4Address("127.0.0.1")
_LIFETIME: Final = timedelta(days=365)
_RENEWED_BEFORE: Final = timedelta(days=30)
_BACKDATED: Final = timedelta(hours=1)
_ROOTS_VARIABLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Say where the certificates of an emulator are.

    Args:
        server: the server's private key and its certificate, for `ssl.load_cert_chain`.
        bundle: the public roots and the emulator's authority, for clients to trust.
    """

    server: Path
    bundle: Path


def prepare(
    folder: Path,
    environment: Mapping[str, str] = os.environ,
    *,
    now: datetime | None = None,
) -> Certificates:
    """Make the certificates, unless good ones are there, and write the bundle afresh.

    The authority's key is never stored: it signs one certificate and is forgotten, so there is
    nothing to steal that clients would trust for another host. When the certificate comes close
    to its end both are made anew.

    Args:
        folder: where they are kept.
        environment: names the public roots (SSL_CERT_FILE, then REQUESTS_CA_BUNDLE); otherwise
            they are certifi's.
        now: the moment to judge by; None means this one.
    """
    now = now or datetime.now(timezone.utc)
    found = Certificates(server=folder / "server.pem", bundle=folder / "ca-bundle.pem")
    authority = folder / "authority.pem"
    if not _is_good(found.server, authority, now):
        authority_pem, server_pem = _make(now)
        write_private(authority, authority_pem)
        write_private(found.server, server_pem)
    roots = _public_roots(environment, found.bundle)
    write_private(found.bundle, roots.rstrip() + b"\n" + authority.read_bytes())
    return found


def _is_good(server: Path, authority: Path, now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(server.read_bytes())
        issuer = x509.load_pem_x509_certificate(authority.read_bytes())
        certificate.verify_directly_issued_by(issuer)
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except Exception:  # noqa: BLE001 - whatever is wrong with them, new ones are the answer
        return False
    names = alternatives.value.get_values_for_type(x509.DNSName)
    end = certificate.not_valid_after_utc
    return set(NAMES) <= set(names) and end > now + _RENEWED_BEFORE


def _public_roots(environment: Mapping[str, str], own_bundle: Path) -> bytes:
    for variable in _ROOTS_VARIABLES:
        file = Path(environment.get(variable, ""))
        # A shell that is set up for this emulator names the bundle that is about to be written.
        if file.is_file() and file.resolve() != own_bundle.resolve():
            return file.read_bytes()
    import certifi

    return Path(certifi.where()).read_bytes()


def _make(now: datetime) -> tuple[bytes, bytes]:
    authority_key = ec.generate_private_key(ec.SECP256R1())
    server_key = ec.generate_private_key(ec.SECP256R1())
    issuer = _name("mlflow-azureml emulator authority")
    authority_id = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = (
        _certificate(issuer, issuer, authority_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(authority_id, critical=False)
        .add_extension(_permitted_names(), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    names = [*map(x509.DNSName, NAMES), x509.IPAddress(_LOOPBACK)]
    server = (
        _certificate(_name("mlflow-azureml emulator"), issuer, server_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(server_key.public_key()), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority_id),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    server_key_pem = server_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pem = serialization.Encoding.PEM
    return authority.public_bytes(pem), server_key_pem + server.public_bytes(pem)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _LIFETIME)
    )


def _permitted_names() -> x509.NameConstraints:
    domains = [x509.DNSName(name.removeprefix("*.")) for name in NAMES]
    loopback = x509.IPAddress(ipaddress.IPv4Network((_LOOPBACK, 32)))
    return x509.NameConstraints(permitted_subtrees=[*domains, loopback], excluded_subtrees=None)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )

"""How fast the emulator takes small blobs, at what cost of CPU; beside Azurite if there is one.

Both are asked in the same way: so many threads, each with one connection that stays open, put
small blobs with a shared access signature; the rounds take turns. The emulator is reached as its
clients reach it, through its proxy and TLS; Azurite speaks TLS too when `--tls` is given. The CPU
is that of the service's process alone, and known on Linux only.

    python benchmarks/emulator_blobs.py --bytes 25000 --threads 32 --latency 30
    npm install azurite
    python benchmarks/emulator_blobs.py --azurite node_modules/.bin/azurite-blob
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import re
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from azure.ai.ml import MLClient
from azure.identity import ClientSecretCredential
from azure.storage.blob import (
    ContainerClient,
    ContainerSasPermissions,
    generate_container_sas,
)

from mlflow_azureml_backend.emulator import certificates, lifecycle
from mlflow_azureml_backend.emulator.administration import request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Azurite's own, published account.
AZURITE_ACCOUNT = "devstoreaccount1"
AZURITE_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
CONTAINER = "benchmark"


@dataclass(frozen=True)
class Peer:
    """One blob service: how to connect to it, and what stands around a blob's name."""

    name: str
    connect: Callable[[], http.client.HTTPConnection]
    prefix: str
    query: str
    process: int


@dataclass(frozen=True)
class Round:
    """One round: blobs a second, and milliseconds of the service's CPU a blob."""

    rate: float
    cpu: float | None


def put_all(peer: Peer, blob: bytes, count: int, threads: int) -> Round:
    """Put so many blobs."""
    run = f"{time.time_ns()}"
    failures: list[str] = []

    def work(number: int) -> None:
        connection = peer.connect()
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "x-ms-version": "2021-12-02",
            "If-None-Match": "*",
            "Content-MD5": b64encode(hashlib.md5(blob).digest()).decode(),
        }
        for index in range(number, count, threads):
            path = f"{peer.prefix}/{CONTAINER}/{run}/{index}?{peer.query}"
            connection.request("PUT", path, blob, headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 201:
                failures.append(f"{answer.status} {body[:300]!r}")
                return
        connection.close()

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    before, started = cpu_seconds(peer.process), time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - started
    if failures:
        raise SystemExit(f"{peer.name}: {failures[0]}")
    after = cpu_seconds(peer.process)
    cpu = None if before is None or after is None else (after - before) / count * 1000
    return Round(count / seconds, cpu)


def cpu_seconds(process: int) -> float | None:
    """Say how much CPU a process has used; None where nobody tells."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def settle(process: int) -> None:
    """Wait until an emulator has imported MLflow, which it does behind its first answers."""
    former, quiet = cpu_seconds(process), 0
    while former is not None and quiet < 3:
        time.sleep(0.5)
        now = cpu_seconds(process) or 0.0
        quiet = quiet + 1 if now - former < 0.05 else 0
        former = now


@contextmanager
def emulator(root: Path, latency: int) -> Iterator[Peer]:
    endpoint = lifecycle.start(root, runtime="host", idle_seconds=3600)
    try:
        variables = lifecycle.environment(endpoint)
        front = urlsplit(endpoint.address)
        context = ssl.create_default_context(cafile=endpoint.ca_file)
        os.environ.update(variables)
        client = MLClient(
            ClientSecretCredential(endpoint.tenant_id, endpoint.client_id, endpoint.client_secret),
            endpoint.subscription_id,
            endpoint.resource_group,
            endpoint.workspace_name,
        )
        store = client.datastores.get("workspaceblobstore", include_secrets=True)
        account, key = store.account_name, store.credentials.account_key
        host = f"{account}.blob.core.windows.net"

        def connect() -> http.client.HTTPConnection:
            connection = http.client.HTTPSConnection(front.hostname, front.port, context=context)
            connection.set_tunnel(host, 443)
            return connection

        ContainerClient(f"https://{host}", CONTAINER, credential=key).create_container()
        settle(endpoint.pid)
        if latency:
            faults = [{"latency": latency / 1000}]
            request(endpoint, "PUT", "/_emulator/faults", body={"faults": faults})
        yield Peer("emulator", connect, "", sas(account, key), endpoint.pid)
    finally:
        lifecycle.stop(root)


@contextmanager
def azurite(command: str, folder: Path, *, tls: bool) -> Iterator[Peer]:
    port = 10999
    arguments = [command, "--location", str(folder), "--blobPort", str(port), "--silent"]
    arguments += ["--skipApiVersionCheck"]
    context = None
    if tls:
        files = certificates.prepare(folder / "certificates")
        key, chain = folder / "key.pem", folder / "chain.pem"
        blocks = re.split(r"(?<=-----\n)(?=-----BEGIN)", files.server.read_text())
        key.write_text("".join(block for block in blocks if "PRIVATE KEY" in block))
        chain.write_text("".join(block for block in blocks if "CERTIFICATE" in block))
        arguments += ["--cert", str(chain), "--key", str(key)]
        context = ssl.create_default_context(cafile=files.bundle)
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    try:

        def connect() -> http.client.HTTPConnection:
            if context is not None:
                return http.client.HTTPSConnection("localhost", port, context=context)
            return http.client.HTTPConnection("127.0.0.1", port)

        wait_for(connect)
        scheme = "https" if tls else "http"
        where = f"{scheme}://{'localhost' if tls else '127.0.0.1'}:{port}/{AZURITE_ACCOUNT}"
        ContainerClient(
            where,
            CONTAINER,
            credential=AZURITE_KEY,
            connection_verify=str(files.bundle) if tls else True,
        ).create_container()
        prefix = f"/{AZURITE_ACCOUNT}"
        yield Peer("azurite", connect, prefix, sas(AZURITE_ACCOUNT, AZURITE_KEY), process.pid)
    finally:
        process.terminate()
        process.wait()


def wait_for(connect: Callable[[], http.client.HTTPConnection]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            connect().connect()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def sas(account: str, key: str) -> str:
    now = datetime.now(timezone.utc)
    return generate_container_sas(
        account,
        CONTAINER,
        account_key=key,
        permission=ContainerSasPermissions(read=True, write=True, create=True, list=True),
        expiry=now + timedelta(hours=1),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--azurite", help="the command azurite-blob")
    parser.add_argument("--tls", action="store_true", help="let Azurite speak TLS too")
    parser.add_argument("--blobs", type=int, default=10_000)
    parser.add_argument("--bytes", type=int, default=1024, help="the size of a blob")
    parser.add_argument("--latency", type=int, default=0, help="of the emulator, in milliseconds")
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    blob = os.urandom(chosen.bytes)
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        peers = [stack.enter_context(emulator(root / "emulator", chosen.latency))]
        if chosen.azurite:
            other = azurite(chosen.azurite, root / "azurite", tls=chosen.tls)
            peers.append(stack.enter_context(other))
        rounds: dict[str, list[Round]] = {peer.name: [] for peer in peers}
        for peer in peers:
            put_all(peer, blob, chosen.threads * 4, chosen.threads)
        for _ in range(chosen.rounds):
            for peer in peers:
                count = chosen.blobs // chosen.rounds
                rounds[peer.name].append(put_all(peer, blob, count, chosen.threads))
    report = {
        name: {
            "puts_per_second": round(statistics.median(each.rate for each in taken)),
            "cpu_ms_per_put": None
            if taken[0].cpu is None
            else round(statistics.median(each.cpu or 0.0 for each in taken), 2),
        }
        for name, taken in rounds.items()
    }
    json.dump({**vars(chosen), **report}, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()

"""Write blobs to one container over the pool of the process, each until it is confirmed.

azure-storage-blob opens a connection for each thread, and spends more time on a small file than the
network does. What is sent here is only what an upload needs.
"""

from __future__ import annotations

import base64
import os
import random
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass, field
from http.client import HTTPException
from ssl import SSLCertVerificationError
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from mlflow_azureml_backend.errors import UnavailableError
from mlflow_azureml_backend.workspace.blob_pool import MOST_CONNECTIONS, blob_pool, quiet
from mlflow_azureml_backend.workspace.blob_refusals import refusal, retry_after
from mlflow_azureml_backend.workspace.changed_file import changed, reading
from mlflow_azureml_backend.workspace.file_digests import BLOCK, DigestedFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mlflow_azureml_backend.transfer import Advance
    from mlflow_azureml_backend.workspace.endpoint import Endpoint

# To open a further connection takes as long as two requests on one that is open.
_FILES_A_CONNECTION = 2
_WORTH_ONE_CONNECTION = 6
_ATTEMPTS = 6
_BUSY = frozenset({408, 429, 500, 502, 503, 504})
_CREATED = frozenset({200, 201})
_CONFLICT = 409
_API = "2021-08-06"
_LARGE = 1 << 20
# What is smaller is sent as fast as it is named.
_WORTH_A_COPY = 8 << 10
_LARGE_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySource:
    """Blobs elsewhere in storage, of which the service itself can make copies.

    Args:
        url: URL of the folder that they are in.
        query: A signature that reads them. It is in no message.
        digests: Name below the folder -> MD5.
    """

    url: str
    query: str = field(repr=False)
    digests: Mapping[str, bytes]


def connections_for(files: Sequence[DigestedFile]) -> int:
    """Say over how many connections files are written."""
    small = sum(each.state.size <= _LARGE for each in files)
    large = sum(max(1, len(each.blocks)) for each in files) - small
    if small + large <= _WORTH_ONE_CONNECTION:
        return 1
    return min(MOST_CONNECTIONS, -(-small // _FILES_A_CONNECTION) + min(large, _LARGE_AT_ONCE))


class BlobContainer:
    """One container, to whoever holds a signature for it.

    Args:
        endpoint: How to reach the service.
        url: The container's URL.
        query: The signature: a SAS token, or nothing. It is in no message.
        doing: For the message of a failure.
        token: Gives a bearer token, where there is no signature.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        url: str,
        query: str,
        *,
        doing: str,
        token: Callable[[], str] | None = None,
    ) -> None:
        self._pool = blob_pool(endpoint, url)
        self._token = token
        self._source: CopySource | None = None
        self._room = threading.BoundedSemaphore(_LARGE_AT_ONCE)
        parts = urlsplit(url)
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path}"
        self._query = query.removeprefix("?")
        self._doing = doing
        self._quiet = quiet(url)

    def put_files(
        self,
        files: Sequence[DigestedFile],
        folder: str,
        *,
        advance: Advance | None = None,
        source: CopySource | None = None,
    ) -> None:
        """Write files that are not there yet; return once every one is confirmed.

        What is sent is what was digested: the service compares the MD5 of each block, and a file
        that has changed since is named.

        Args:
            files: As they were digested.
            folder: Path of the folder in the container that they go to.
            advance: Told the bytes of each block, and each file that is there, from any thread.
            source: Where the service has many of them already; if it does not copy, they are sent.

        Raises:
            ProjectError: A file has changed, or cannot be read any more.
            WorkspaceError: The service refused, or could not be reached.
        """
        tell = advance or (lambda _bytes, _files: None)
        self._source = source
        stop = threading.Event()
        threads = connections_for(files)
        small = [each for each in files if len(each.blocks) <= 1]
        large = [each for each in files if len(each.blocks) > 1]
        with ThreadPoolExecutor(threads, thread_name_prefix="upload") as pool:
            try:
                jobs = [
                    pool.submit(self._put_block, each, f"{folder}/{each.file.name}", n, tell, stop)
                    for each in large
                    for n in range(len(each.blocks))
                ]
                jobs += [
                    pool.submit(self._put, each, f"{folder}/{each.file.name}", tell, stop)
                    for each in small
                ]
                _all(jobs)
                _all(
                    pool.submit(self._commit, each, f"{folder}/{each.file.name}", tell, stop)
                    for each in large
                )
            except BaseException:
                stop.set()
                pool.shutdown(cancel_futures=True)
                raise

    def describe(self, blob: str, metadata: Mapping[str, str]) -> None:
        """Give a blob its metadata.

        Args:
            blob: Its path in the container.
            metadata: Name -> value.

        Raises:
            WorkspaceError: The service refused, or could not be reached.
        """
        headers = {f"x-ms-meta-{name}": value for name, value in metadata.items()}
        self._send(blob, "comp=metadata", headers, b"", threading.Event())

    def _put(
        self,
        file: DigestedFile,
        blob: str,
        tell: Advance,
        stop: threading.Event,
    ) -> None:
        headers = {"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"}
        if self._is_copied(file, blob, headers, stop):
            tell(file.state.size, 1)
            return
        headers["Content-MD5"] = _md5(file, 0)
        with self._room if file.state.size > _LARGE else nullcontext():
            body = self._block(file, 0)
            self._send(blob, "", headers, body, stop, file=file)
        tell(len(body), 1)

    def _is_copied(
        self,
        file: DigestedFile,
        blob: str,
        headers: Mapping[str, str],
        stop: threading.Event,
    ) -> bool:
        """Let the service copy a file that it has, and compare its MD5; tell whether it did."""
        source, name = self._source, file.file.name
        if source is None or file.state.size < _WORTH_A_COPY:
            return False
        if source.digests.get(name) != b"".join(file.blocks):
            return False
        copied = {
            **headers,
            "x-ms-copy-source": f"{source.url}/{quote(name, safe='/~')}?{source.query}",
            "x-ms-source-content-md5": _md5(file, 0),
        }
        answer = self._answered("PUT", f"/{quote(blob, safe='/~')}", "", copied, b"", stop)
        if answer is None or answer.status in _CREATED or _is_there(answer):
            return True
        self._source = None  # what it refuses once it will refuse for the others
        return False

    def _put_block(
        self,
        file: DigestedFile,
        blob: str,
        number: int,
        tell: Advance,
        stop: threading.Event,
    ) -> None:
        comp = f"comp=block&blockid={quote(_block_id(number), safe='')}"
        with self._room:
            body = self._block(file, number)
            self._send(blob, comp, {"Content-MD5": _md5(file, number)}, body, stop, file=file)
        tell(len(body), 0)

    def _commit(self, file: DigestedFile, blob: str, tell: Advance, stop: threading.Event) -> None:
        ids = "".join(
            f"<Latest>{escape(_block_id(number))}</Latest>" for number in range(len(file.blocks))
        )
        body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{ids}</BlockList>'.encode()
        headers = {"If-None-Match": "*", "Content-Type": "application/xml"}
        self._send(blob, "comp=blocklist", headers, body, stop, file=file)
        tell(0, 1)

    def _block(self, file: DigestedFile, number: int) -> bytes:
        path = file.file.path
        size = min(BLOCK, file.state.size - number * BLOCK)
        with reading(path), path.open("rb") as stream:
            stream.seek(number * BLOCK)
            body = stream.read(size)
            if len(body) != size or os.fstat(stream.fileno()).st_size != file.state.size > 0:
                raise changed(path)
        return body

    def _send(
        self,
        blob: str,
        comp: str,
        headers: Mapping[str, str],
        body: bytes,
        stop: threading.Event,
        *,
        file: DigestedFile | None = None,
    ) -> None:
        """PUT until the service confirms it, or says for good that it does not.

        A blob that must not be there and is, is of an upload that broke off, or of somebody else:
        it is the same.
        """
        answer = self._answered("PUT", f"/{quote(blob, safe='/~')}", comp, headers, body, stop)
        if answer is None or answer.status in _CREATED:
            return
        if "If-None-Match" in headers and _is_there(answer):
            return
        if file is not None and answer.headers.get("x-ms-error-code") == "Md5Mismatch":
            raise changed(file.file.path)
        raise refusal(self._doing, answer)

    def names(self, prefix: str) -> set[str]:
        """List the blobs whose paths begin so."""
        found: set[str] = set()
        marker = ""
        while True:
            comp = f"restype=container&comp=list&prefix={quote(prefix, safe='')}"
            comp += f"&marker={quote(marker, safe='')}" if marker else ""
            answer = self._answered("GET", "", comp, {}, b"", threading.Event())
            if answer is None or answer.status not in _CREATED:
                raise refusal(self._doing, answer)
            page = ET.fromstring(answer.data)  # noqa: S314  # the storage service wrote it
            found.update(name.text or "" for name in page.iterfind("Blobs/Blob/Name"))
            marker = page.findtext("NextMarker") or ""
            if not marker:
                return found

    def _answered(
        self,
        method: str,
        path: str,
        comp: str,
        headers: Mapping[str, str],
        body: bytes,
        stop: threading.Event,
    ) -> Any:
        """Give the answer that counts: not of a service that is busy or a connection that broke."""
        from urllib3.exceptions import HTTPError

        url = f"{self.url}{path}?{'&'.join(part for part in (comp, self._query) if part)}"
        for attempt in range(1, _ATTEMPTS + 1):
            self._wait(stop)
            if stop.is_set():
                return None
            sent = {**headers, "x-ms-version": _API, "Content-Length": str(len(body))}
            if self._token is not None:
                sent["Authorization"] = f"Bearer {self._token()}"
            try:
                answer = self._pool.request(method, url, body=body, headers=sent, retries=False)
            except (HTTPError, HTTPException, OSError) as error:
                stranger = isinstance(error, SSLCertVerificationError)
                if attempt == _ATTEMPTS or stranger:
                    reason = "the server's TLS certificate is not trusted"
                    reason = reason if stranger else f"no answer ({type(error).__name__})"
                    raise UnavailableError(
                        f"Error while {self._doing}: {reason}. Check the "
                        "network and its proxy settings, then try again: what was uploaded stays."
                    ) from None  # its text holds the URL, and so the signature
                self._pause(attempt, None)
                continue
            if answer.status not in _BUSY or attempt == _ATTEMPTS:
                return answer
            self._pause(attempt, retry_after(answer.headers))
        return None

    def _wait(self, stop: threading.Event) -> None:
        left = self._quiet.until - time.monotonic()
        if left > 0:
            stop.wait(left)

    def _pause(self, attempt: int, seconds: float | None) -> None:
        pause = seconds if seconds is not None else 0.2 * 2**attempt * (0.5 + random.random())  # noqa: S311  # no secret
        self._quiet.until = max(self._quiet.until, time.monotonic() + pause)


def _all(jobs: Iterable[Any]) -> None:
    done, _ = wait(list(jobs), return_when=FIRST_EXCEPTION)
    for job in done:
        job.result()


def _is_there(answer: Any) -> bool:
    # A copy can be in conflict with other things than a blob of that name.
    code: str = answer.headers.get("x-ms-error-code", "")
    return answer.status == _CONFLICT and code.endswith("Exists")


def _md5(file: DigestedFile, number: int) -> str:
    # A file of no bytes has no block, and an MD5 all the same.
    found = file.blocks[number] if file.blocks else _EMPTY
    return base64.b64encode(found).decode()


_EMPTY = bytes.fromhex("d41d8cd98f00b204e9800998ecf8427e")


def _block_id(number: int) -> str:
    return base64.b64encode(f"{number:032}".encode()).decode()

"""Storage accounts on disk: a blob's bytes are one plain file that may grow while it is read."""

from __future__ import annotations

import base64
import time
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from mlflow_azureml_backend.emulator.blob_files import BlobFiles
from mlflow_azureml_backend.emulator.blob_info import (
    BINARY,
    BlobAddress,
    BlobInfo,
    container_folder,
)
from mlflow_azureml_backend.emulator.errors import BlobError
from mlflow_azureml_backend.emulator.lifetimes import signature_lifetime
from mlflow_azureml_backend.emulator.sas import SharedAccess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

__all__ = ["BlobInfo", "BlobStore"]

_PAGE: Final = 1000
_CLOCK_SKEW: Final = timedelta(minutes=5)


class BlobStore:
    """Keep containers and blobs of any number of storage accounts.

    Methods may be called from any thread. `register`, `write` and `sas_url` make a container that
    is missing. A name that Azure would refuse raises a `BlobError` 400 InvalidResourceName.

    Args:
        root: the folder of the blobs; made when it is missing.
        account_secret: gives 64 secret, stable bytes for an account's name.
    """

    def __init__(self, root: Path, account_secret: Callable[[str], bytes]) -> None:
        self.files = BlobFiles(root)
        self._account_secret = lru_cache(maxsize=256)(account_secret)

    def account_key(self, account: str) -> str:
        """Give the base64 key of a storage account."""
        return base64.b64encode(self._account_secret(account)).decode()

    def create_container(self, account: str, container: str) -> bool:
        """Make a container; False when it is already there."""
        container_folder(self.files.root, account, container)
        return self.files.index.add_container(account, container, time.time())

    def container_created(self, account: str, container: str) -> datetime | None:
        """Say when a container was made, in UTC; None when there is no such container."""
        created = self.files.index.container_created(account, container)
        return None if created is None else datetime.fromtimestamp(created, timezone.utc)

    def register(
        self,
        account: str,
        container: str,
        name: str,
        *,
        append: bool = False,
        content_type: str = BINARY,
    ) -> Path:
        """Make an empty blob, unless it exists, and give the file that others append to.

        Args:
            account: the storage account.
            container: the container.
            name: the blob.
            append: make it an append blob.
            content_type: its media type.
        """
        address = BlobAddress(account, container, name)
        known = self.files.info(address)
        if known is None:
            content = {"Content-Type": content_type}
            known = self.files.put(address, (), content=content, append=append)
        return known.file

    def write(
        self,
        account: str,
        container: str,
        name: str,
        data: bytes | Iterable[bytes],
        *,
        if_none_match: bool = False,
        metadata: Mapping[str, str] | None = None,
        content_type: str = BINARY,
        content_md5: str | None = None,
    ) -> BlobInfo:
        """Write a whole blob; readers see the former one or all of the new one.

        Args:
            account: the storage account.
            container: the container.
            name: the blob.
            data: its bytes, at once or in pieces.
            if_none_match: only when there is none yet.
            metadata: names and values.
            content_type: its media type.
            content_md5: base64 of the MD5 that the bytes must have.

        Raises:
            BlobError: 409 BlobAlreadyExists, or 400 Md5Mismatch; nothing is changed then.
        """

        def check(known: BlobInfo | None) -> None:
            if if_none_match and known is not None:
                raise BlobError(409, "BlobAlreadyExists", "The specified blob already exists.")

        return self.files.put(
            BlobAddress(account, container, name),
            (data,) if isinstance(data, bytes) else data,
            content={"Content-Type": content_type},
            metadata=metadata,
            content_md5=content_md5,
            check=check,
        )

    def info(self, account: str, container: str, name: str) -> BlobInfo | None:
        """Describe a blob, or None."""
        return self.files.info(BlobAddress(account, container, name))

    def list(self, account: str, container: str, prefix: str = "") -> list[BlobInfo]:
        """Describe the blobs whose names begin with a prefix, in the order of their names."""
        container_folder(self.files.root, account, container)
        found: list[BlobInfo] = []
        after = ""
        while page := self.files.page(account, container, prefix=prefix, after=after, limit=_PAGE):
            found += page
            after = page[-1].name
        return found

    def delete(self, account: str, container: str, name: str) -> bool:
        """Delete a blob; False when there was none."""
        return self.files.delete(BlobAddress(account, container, name))

    def sas_url(
        self,
        account: str,
        container: str,
        name: str | None,
        *,
        permissions: str,
        lifetime: timedelta,
    ) -> str:
        """Give a production URL with a shared access signature.

        Args:
            account: the storage account.
            container: the container.
            name: the blob, which need not exist yet; None signs for the whole container.
            permissions: letters in Azure's order, for example `rcwl`.
            lifetime: how long the URL is good.
        """
        self.create_container(account, container)
        now = datetime.now(timezone.utc)
        access = SharedAccess(
            permissions=permissions,
            start=now - _CLOCK_SKEW,
            expiry=now + signature_lifetime(lifetime),
            path=container if name is None else f"{container}/{name}",
            resource="c" if name is None else "b",
        )
        query = access.signed_query(account, self.account_key(account))
        return f"https://{account}.blob.core.windows.net/{quote(access.path)}?{query}"

    def close(self) -> None:
        """Close the store; nothing may be asked afterwards."""
        self.files.close()

"""The snapshot of a folder that this machine uploaded last, of which the service can make copies.

The files of a snapshot are in a container of its own, and the service has no way to name some of
another one's. But it copies a blob that it has (Put Blob From URL), and compares its MD5: then only
what changed leaves this machine. It takes a signature that reads the former container, which is the
one that its upload was begun with: to begin it again gives another one for the same container.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import WorkspaceError
from mlflow_azureml_backend.workspace.blob_container import CopySource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlflow_azureml_backend.workspace.digest_cache import DigestCache
    from mlflow_azureml_backend.workspace.file_digests import DigestedTree

_NOTE = "uploaded"
_MANY = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerSnapshot:
    """The last upload of a folder to one workspace.

    Args:
        name: Name of the code asset.
        container: URL of the container.
        digests: Name -> MD5 of each file that is in one block.
    """

    name: str
    container: str
    digests: Mapping[str, bytes]

    def has_many_of(self, tree: DigestedTree) -> bool:
        """Tell whether enough of a tree is in it to be worth the question."""
        same = sum(self.digests.get(each.file.name) == b"".join(each.blocks) for each in tree.files)
        return same >= _MANY

    def source(self, begin: Callable[[str], dict[str, Any]], folder: str) -> CopySource | None:
        """Give what to copy from, if the service opens that container again.

        Args:
            begin: Begins the upload of an asset of that name, and gives its container.
            folder: Name of the folder in the container.
        """
        try:
            url, _, query = begin(self.name)["credential"]["sasUri"].partition("?")
        except WorkspaceError:
            return None
        if url != self.container:
            return None
        return CopySource(url=f"{url}/{folder}", query=query, digests=self.digests)


def note_upload(
    cache: DigestCache, workspace: str, name: str, container: str, tree: DigestedTree
) -> None:
    """Remember an upload.

    Args:
        cache: What this machine remembers of the folder.
        workspace: The workspace's ARM id.
        name: Name of the code asset.
        container: URL of the container, without its signature.
        tree: What was uploaded.
    """
    files = {f.file.name: f.blocks[0].hex() for f in tree.files if len(f.blocks) == 1}
    text = json.dumps({"name": name, "container": container, "files": files})
    cache.keep(f"{_NOTE} {workspace.lower()}", text)


def last_upload(cache: DigestCache, workspace: str) -> FormerSnapshot | None:
    """Recall the last upload, if there was one.

    Args:
        cache: What this machine remembers of the folder.
        workspace: The workspace's ARM id.
    """
    try:
        found = json.loads(cache.kept(f"{_NOTE} {workspace.lower()}") or "")
        digests = {name: bytes.fromhex(md5) for name, md5 in found["files"].items()}
        return FormerSnapshot(
            name=str(found["name"]), container=str(found["container"]), digests=digests
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None

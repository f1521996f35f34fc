"""Lists of blobs, as the XML that Azure storage answers."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from mlflow_azureml_backend.emulator.errors import BlobError

if TYPE_CHECKING:
    from mlflow_azureml_backend.emulator.blob_files import BlobFiles
    from mlflow_azureml_backend.emulator.blob_info import BlobInfo

LARGEST_PAGE: Final = 5000
"""How many entries a page has at most, and unless fewer are asked for."""

_LAST_CHARACTER: Final = "\U0010ffff"
_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingQuery:
    """Say which blobs are to be listed.

    Args:
        account: the storage account.
        container: the container.
        prefix: what their names begin with.
        delimiter: names that go on after it are listed as one prefix; empty for none.
        marker: where the page begins, as the one before said; empty for the first page.
        limit: how many entries the page has at most.
        metadata: give the metadata of each.
    """

    account: str
    container: str
    prefix: str
    delimiter: str
    marker: str
    limit: int
    metadata: bool


def listing(files: BlobFiles, query: ListingQuery) -> bytes:
    """Give one page of a list as XML.

    Raises:
        BlobError: 400 OutOfRangeQueryParameterValue for a marker of somebody else's.
    """
    entries: list[str] = []
    after = _name_of(query.marker)
    next_marker = ""
    while len(entries) <= query.limit:
        room = query.limit + 1 - len(entries)
        page = files.page(
            query.account, query.container, prefix=query.prefix, after=after, limit=room
        )
        if not page:
            break
        for info in page:
            if len(entries) == query.limit:
                next_marker = _marker_of(after)
                break
            common = _common_prefix(info.name, query)
            if common is not None:
                entries.append(f"<BlobPrefix>{_name(common)}</BlobPrefix>")
                after = common + _LAST_CHARACTER
                break  # what else has this prefix is skipped
            entries.append(_blob(info, metadata=query.metadata))
            after = info.name
        if next_marker:
            break
    service = f"https://{query.account}.blob.core.windows.net/"
    document = (
        '\ufeff<?xml version="1.0" encoding="utf-8"?>'
        f"<EnumerationResults ServiceEndpoint={quoteattr(service)}"
        f" ContainerName={quoteattr(query.container)}>"
        f"{_element('Prefix', query.prefix)}{_element('Marker', query.marker)}"
        f"<MaxResults>{query.limit}</MaxResults>{_element('Delimiter', query.delimiter)}"
        f"<Blobs>{''.join(entries)}</Blobs><NextMarker>{next_marker}</NextMarker>"
        "</EnumerationResults>"
    )
    return document.encode()


def _common_prefix(name: str, query: ListingQuery) -> str | None:
    if not query.delimiter:
        return None
    end = name.find(query.delimiter, len(query.prefix))
    return None if end < 0 else name[: end + len(query.delimiter)]


def _blob(info: BlobInfo, *, metadata: bool) -> str:
    content = info.content
    properties = {
        "Creation-Time": format_datetime(info.created, usegmt=True),
        "Last-Modified": format_datetime(info.modified, usegmt=True),
        "Etag": info.etag,
        "Content-Length": str(info.size),
        "Content-Type": info.content_type,
        "Content-Encoding": content.get("Content-Encoding", ""),
        "Content-Language": content.get("Content-Language", ""),
        "Content-CRC64": "",
        "Content-MD5": content.get("Content-MD5", ""),
        "Cache-Control": content.get("Cache-Control", ""),
        "Content-Disposition": content.get("Content-Disposition", ""),
        "BlobType": "AppendBlob" if info.append else "BlockBlob",
        # Blobs that are appended to have no tier.
        **({} if info.append else {"AccessTier": "Hot", "AccessTierInferred": "true"}),
        "LeaseStatus": "unlocked",
        "LeaseState": "available",
        "ServerEncrypted": "true",
    }
    written = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in properties.items())
    given = ""
    if metadata:
        pairs = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in info.metadata.items())
        given = f"<Metadata>{pairs}</Metadata>"
    return f"<Blob>{_name(info.name)}<Properties>{written}</Properties>{given}<OrMetadata /></Blob>"


def _name(name: str) -> str:
    if _NOT_IN_XML.search(name):
        return f'<Name Encoded="true">{quote(name)}</Name>'
    return f"<Name>{escape(name)}</Name>"


def _element(tag: str, text: str) -> str:
    return f"<{tag}>{escape(_NOT_IN_XML.sub('', text))}</{tag}>" if text else ""


def _marker_of(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _name_of(marker: str) -> str:
    try:
        return base64.urlsafe_b64decode(marker.encode()).decode()
    except (binascii.Error, UnicodeError):
        raise BlobError(
            400,
            "OutOfRangeQueryParameterValue",
            "One of the query parameters specified in the request URI is outside the permissible "
            "range.",
            details={"QueryParameterName": "marker"},
        ) from None

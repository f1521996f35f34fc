"""Conditional requests to blobs: what the headers If-Match and their kin ask for."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from mlflow_azureml_backend.emulator.errors import BlobError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.blob_info import BlobInfo


def check_read(headers: Mapping[str, str], info: BlobInfo) -> None:
    """Refuse to read a blob that is not as the headers want it.

    Raises:
        BlobError: 412 ConditionNotMet, or 304 when the reader has it already.
    """
    _check_state(headers, info)
    unless = headers.get("if-none-match")
    since = _time(headers.get("if-modified-since"))
    if (unless is not None and _names(unless, info)) or (
        unless is None and since is not None and _seconds(info) <= since
    ):
        raise _not_met(304)


def check_write(headers: Mapping[str, str], info: BlobInfo | None) -> None:
    """Refuse to change a blob that is not as the headers want it.

    Raises:
        BlobError: 412 ConditionNotMet, or 409 BlobAlreadyExists for `If-None-Match: *`.
    """
    unless = headers.get("if-none-match")
    if info is None:
        if "if-match" in headers:
            raise _not_met(412)
        return
    if unless == "*":
        raise BlobError(409, "BlobAlreadyExists", "The specified blob already exists.")
    _check_state(headers, info)
    since = _time(headers.get("if-modified-since"))
    if (unless is not None and _names(unless, info)) or (
        since is not None and _seconds(info) <= since
    ):
        raise _not_met(412)


def _check_state(headers: Mapping[str, str], info: BlobInfo) -> None:
    only = headers.get("if-match")
    before = _time(headers.get("if-unmodified-since"))
    if (only is not None and not _names(only, info)) or (
        before is not None and _seconds(info) > before
    ):
        raise _not_met(412)


def _names(header: str, info: BlobInfo) -> bool:
    return any(tag.strip().strip('"') in {"*", info.etag} for tag in header.split(","))


def _seconds(info: BlobInfo) -> datetime:
    return info.modified.replace(microsecond=0)


def _time(header: str | None) -> datetime | None:
    if header is None:
        return None
    try:
        time = parsedate_to_datetime(header)
    except (TypeError, ValueError):
        raise BlobError(
            400,
            "InvalidHeaderValue",
            "The value for one of the HTTP headers is not in the correct format.",
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def _not_met(status: int) -> BlobError:
    return BlobError(
        status,
        "ConditionNotMet",
        "The condition specified using HTTP conditional header(s) is not met.",
    )

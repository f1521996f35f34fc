"""What blob storage says where it refuses, without what signed the request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import (
    ForbiddenError,
    NotFoundError,
    QuotaError,
    UnavailableError,
    WorkspaceError,
)
from mlflow_azureml_backend.workspace.failures import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

_MESSAGE = re.compile(r"<Message>(.*?)(?:\n|</Message>)", re.DOTALL)
_BY_STATUS: dict[int, type[WorkspaceError]] = {
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    429: QuotaError,
    503: QuotaError,
}
_SERVER_ERROR = 500
_LONGEST_PAUSE = 60.0


def refusal(doing: str, answer: Any) -> WorkspaceError:
    """Build the error of an answer of storage.

    Args:
        doing: What was being attempted: "uploading the snapshot".
        answer: The answer, wholly read.
    """
    found = _MESSAGE.search(answer.data.decode("utf-8", "replace"))
    words = found[1] if found else answer.headers.get("x-ms-error-code") or answer.reason
    request_id = answer.headers.get("x-ms-request-id")
    where = f"HTTP {answer.status}, request {request_id}" if request_id else f"HTTP {answer.status}"
    server = UnavailableError if answer.status >= _SERVER_ERROR else WorkspaceError
    kind = _BY_STATUS.get(answer.status, server)
    return kind(without_secrets(f"Error while {doing}: {words} ({where})."))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Read how many seconds storage wants to be left alone, or None."""
    try:
        return min(float(headers.get("retry-after", "")), _LONGEST_PAUSE)
    except ValueError:
        return None

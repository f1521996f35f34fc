"""Errors as the services answer them: Azure ML's envelope, ARM's own, and storage's XML."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ServiceError(Exception):
    """Refuse a request to Azure ML with the envelope the service uses.

    Args:
        status: the HTTP status.
        code: `error.code`; `UserError` for nearly everything Azure ML itself refuses.
        message: `error.message`, for people.
        inner: the chain of inner codes, outermost first; the machine-readable part.
        message_format: the message with `{placeholders}`, as some errors carry it.
        message_parameters: the values of those placeholders.
        arm: answer as Azure Resource Manager itself does, with neither details nor additionalInfo.
        empty: answer the status with no body (a missing compute is answered so).
        headers: further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        inner: Sequence[str] = (),
        message_format: str | None = None,
        message_parameters: Mapping[str, str] | None = None,
        arm: bool = False,
        empty: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.inner = tuple(inner)
        self.message_format = message_format
        self.message_parameters = dict(message_parameters or {})
        self.arm = arm
        self.empty = empty
        self.headers = dict(headers or {})

    def response(self, region: str = "eastus") -> Response:
        """Build the answer.

        Args:
            region: the workspace's region, which Azure ML names in its envelope.
        """
        if self.empty:
            # The service marks this answer as a standard one, not as an error.
            headers = {"x-ms-response-type": "standard", **self.headers}
            return Response(status_code=self.status, headers=headers)
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.arm:
            headers = {"x-ms-failure-cause": "gateway", **self.headers}
        else:
            headers = {"x-ms-response-type": "error", **self.headers}
            error |= {"details": [], "additionalInfo": self._additional_info(region)}
        return JSONResponse(
            {"error": error},
            status_code=self.status,
            headers=headers,
            media_type="application/json; charset=utf-8",
        )

    def _additional_info(self, region: str) -> list[dict[str, Any]]:
        operation = uuid.uuid4().hex
        values: dict[str, Any] = {
            "ComponentName": "managementfrontend",
            "Correlation": {"operation": operation, "request": operation[:16]},
            "Environment": region,
            "Location": region,
            "Time": datetime.now(timezone.utc).isoformat(),
        }
        if self.inner:
            values["InnerError"] = _nested(self.inner)
        if self.message_format is not None:
            values["MessageFormat"] = self.message_format
            values["MessageParameters"] = self.message_parameters
        return [{"type": kind, "info": {"value": value}} for kind, value in values.items()]


def _nested(codes: Sequence[str]) -> dict[str, Any] | None:
    if not codes:
        return None
    return {"code": codes[0], "innerError": _nested(codes[1:])}


class BlobError(Exception):
    """Refuse a request to blob storage with the XML that Azure storage uses.

    Args:
        status: the HTTP status.
        code: the storage error code, also given in the header `x-ms-error-code`.
        message: for people; the request's id and the time are added to it as Azure does.
        details: further elements of the XML, by name.
        headers: further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = dict(details or {})
        self.headers = dict(headers or {})

    def response(self, *, head: bool = False) -> Response:
        """Build the answer.

        Args:
            head: the request was a HEAD: the code travels in a header alone.
        """
        request_id = str(uuid.uuid4())
        headers = {
            "x-ms-error-code": self.code,
            "x-ms-request-id": request_id,
            **self.headers,
        }
        if head or self.status == HTTPStatus.NOT_MODIFIED:
            return Response(status_code=self.status, headers=headers)
        time = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
        details = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in self.details.items())
        document = (
            '\ufeff<?xml version="1.0" encoding="utf-8"?>'
            f"<Error><Code>{escape(self.code)}</Code><Message>{escape(self.message)}\n"
            f"RequestId:{request_id}\nTime:{time}</Message>{details}</Error>"
        )
        return Response(
            document.encode(), self.status, headers=headers, media_type="application/xml"
        )

"""What services answer when something is wrong with them, in each service's own words."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from starlette.responses import JSONResponse, Response

from mlflow_azureml_backend.emulator.errors import BlobError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

_THROTTLED_SECONDS: Final = 20
_PAGE: Final = (
    "<html>\r\n<head><title>{reason}</title></head>\r\n<body>\r\n"
    "<center><h1>{reason}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
_FROM_SERVICE: Final = MappingProxyType({"x-ms-failure-cause": "service"})
_SIGNATURE_ADVICE: Final = (
    "Server failed to authenticate the request. Make sure the value of Authorization header "
    "is formed correctly including the signature."
)
# What storage says of each status; other statuses have no words of their own there.
_BLOB_WORDS: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        401: ("NoAuthenticationInformation", "Server failed to authenticate the request."),
        403: ("AuthenticationFailed", _SIGNATURE_ADVICE),
        404: ("BlobNotFound", "The specified blob does not exist."),
        409: ("ResourceTypeMismatch", "The specified resource type does not match."),
        412: (
            "ConditionNotMet",
            "The condition specified using HTTP conditional header(s) is not met.",
        ),
        429: ("TooManyRequests", "Too many requests were sent in a short amount of time."),
        500: (
            "InternalError",
            "Server encountered an internal error. Please try again after some time.",
        ),
        503: ("ServerBusy", "The server is busy."),
        504: (
            "OperationTimedOut",
            "Operation could not be completed within the specified time.",
        ),
    }
)


def nginx_page(status: int) -> Response:
    """Build the page of the web server in front of a service that does not answer."""
    page = _PAGE.format(reason=f"{status} {_phrase(status)}")
    return Response(page, status, media_type="text/html", headers={"Server": "nginx"})


def service_error(status: int, retry_after: float | None) -> ServiceError:
    """Build the error of Azure Resource Manager or of Azure ML.

    Args:
        status: the HTTP status.
        retry_after: the seconds its text speaks of, when it speaks of any; None: 20, as recorded.
    """
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        seconds = _THROTTLED_SECONDS if retry_after is None else retry_after
        return ServiceError(
            status,
            "UserError",
            "Received too many requests in a short amount of time. Retry again after "
            f"{seconds:g} seconds.",
            inner=("QuotaExceeded", "TooManyRequests"),
        )
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServiceError(status, "ServiceError", "InternalServerError", headers=_FROM_SERVICE)
    if status == HTTPStatus.BAD_GATEWAY:
        return ServiceError(
            status,
            "BadGatewayConnection",
            "The network connectivity issue encountered for "
            "'Microsoft.MachineLearningServices'; cannot fulfill the request.",
            arm=True,
            headers=_FROM_SERVICE,
        )
    if status == HTTPStatus.GATEWAY_TIMEOUT:
        return ServiceError(
            status, "TransientError", "Service invocation timed out.", headers=_FROM_SERVICE
        )
    code = "UserError" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "ServiceError"
    return ServiceError(status, code, f"{_phrase(status)}.")


def blob_error(status: int) -> BlobError:
    """Build the error of blob storage."""
    code, message = _BLOB_WORDS.get(status, (_phrase(status).replace(" ", ""), _phrase(status)))
    return BlobError(status, code, message)


def sign_in_response(status: int) -> Response:
    """Build the error of the sign-in service."""
    time = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
    return JSONResponse(
        {
            "error": "temporarily_unavailable",
            "error_description": (
                f"AADSTS90033: A transient error has occurred. Please try again. Timestamp: {time}"
            ),
            "error_codes": [90033],
            "timestamp": time,
            "trace_id": str(uuid.uuid4()),
            "correlation_id": str(uuid.uuid4()),
        },
        status,
    )


def expired_signature() -> BlobError:
    """Build the error of blob storage for a signature that was good until an hour ago."""
    return BlobError(
        403,
        "AuthenticationFailed",
        _SIGNATURE_ADVICE,
        details={
            "AuthenticationErrorDetail": "Signature not valid in the specified time frame: "
            "its expiry lies in the past."
        },
    )


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"

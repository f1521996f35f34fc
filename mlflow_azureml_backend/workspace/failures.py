"""The one place where the SDK's exceptions become ours."""

from __future__ import annotations

import contextlib
import json
import os
import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import (
    AuthenticationError,
    AzureMLBackendError,
    ForbiddenError,
    NotFoundError,
    QuotaError,
    UnavailableError,
    WorkspaceError,
)
from mlflow_azureml_backend.workspace.job_identity import is_job

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# A SAS signature or an account's key reads blobs, a token is the user: none may stand in a message.
_SECRETS = re.compile(r"(?i)\b(sig=|bearer\s+|client_secret=|accountkey=)[^&;\s'\")]+")

_BY_STATUS: dict[int, type[WorkspaceError]] = {
    401: AuthenticationError,
    403: ForbiddenError,
    404: NotFoundError,
    429: QuotaError,
}

_NEXT: dict[type[WorkspaceError], str] = {
    AuthenticationError: "Sign in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and "
    "AZURE_CLIENT_SECRET.",
    ForbiddenError: "Ask for the role 'AzureML Data Scientist' on the workspace.",
    QuotaError: "Wait a little, or ask for a higher quota.",
    UnavailableError: "Check the network and its proxy settings, then try again.",
}

# In a job nobody can sign in.
_NEXT_IN_A_JOB: dict[type[WorkspaceError], str] = {
    AuthenticationError: "A job acts as its identity: run it with the backend config's "
    '{"identity": {"type": "user_identity"}}, or on a compute with a managed identity.',
    ForbiddenError: "The identity of this job needs the role 'AzureML Data Scientist' on the "
    "workspace.",
}

_SERVER_ERROR = 500
_RETRY_WORDS = re.compile(r"(?i)retry (?:again )?after (\d+) seconds")


def without_secrets(text: str) -> str:
    """Mask SAS signatures, account keys, bearer tokens and client secrets in a text."""
    return _SECRETS.sub(r"\g<1>***", text)


@contextlib.contextmanager
def service_errors(doing: str) -> Iterator[None]:
    """Turn every error of the Azure SDKs inside the block into one of ours.

    Args:
        doing: What was being attempted, for the message: "reading compute 'cpu'".

    Raises:
        WorkspaceError: With the service's own words, its request id and what to do next.
    """
    from azure.core import exceptions

    try:
        yield
    except AzureMLBackendError:
        raise
    except exceptions.ClientAuthenticationError as error:
        raise _described(AuthenticationError, doing, _first_line(error)) from error
    except exceptions.HttpResponseError as error:
        status = error.status_code or _SERVER_ERROR
        kind = _BY_STATUS.get(
            status, UnavailableError if status >= _SERVER_ERROR else WorkspaceError
        )
        described = _described(kind, doing, _service_words(error))
        described.retry_after = _retry_after(error)
        raise described from error
    except (
        exceptions.ServiceRequestError,
        exceptions.ServiceResponseError,
        exceptions.IncompleteReadError,
    ) as error:
        raise _described(UnavailableError, doing, _network_words(error)) from error


def _described(kind: type[WorkspaceError], doing: str, reason: str) -> WorkspaceError:
    in_a_job = _NEXT_IN_A_JOB if is_job(os.environ) else {}
    advice = in_a_job.get(kind) or _NEXT.get(kind, "")
    return kind(without_secrets(f"Error while {doing}: {reason} {advice}").strip())


def _service_words(error: Any) -> str:
    """The message inside the service's envelope, its status and request id."""
    response = error.response
    status = f"HTTP {error.status_code}"
    if response is None:
        return f"{status}: {_first_line(error)}"
    request_id = response.headers.get("x-ms-request-id") or response.headers.get(
        "x-ms-correlation-request-id"
    )
    where = f"{status}, request {request_id}" if request_id else status
    try:
        body = json.loads(response.text())
        return f"{body['error']['message']} ({where})."
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{error.reason or _first_line(error)} ({where})."


def _retry_after(error: Any) -> float | None:
    headers = {} if error.response is None else error.response.headers
    return retry_after_of(headers, _service_words(error))


def retry_after_of(headers: Mapping[str, str], words: str) -> float | None:
    """Read how long the service wants to be left alone: of a header, or of its words.

    The 429 of Azure ML was recorded without a header: "Retry again after 20 seconds."

    Args:
        headers: Headers of the answer, whose names are in lower case or match in any.
        words: What the answer says.
    """
    for name, unit in (
        ("retry-after", 1.0),
        ("retry-after-ms", 0.001),
        ("x-ms-retry-after-ms", 0.001),
    ):
        with contextlib.suppress(KeyError, ValueError):
            return float(headers[name]) * unit
    with contextlib.suppress(KeyError, ValueError, TypeError):
        moment = parsedate_to_datetime(headers["retry-after"])
        return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())
    found = _RETRY_WORDS.search(words)
    return float(found[1]) if found else None


def _network_words(error: BaseException) -> str:
    text = str(error)
    for phrase, meaning in (
        ("Name or service not known", "the host's name is not known"),
        ("nodename nor servname", "the host's name is not known"),
        ("Temporary failure in name resolution", "the host's name cannot be looked up"),
        ("Connection refused", "the connection was refused"),
        ("CERTIFICATE_VERIFY_FAILED", "the server's TLS certificate is not trusted"),
        ("timed out", "no answer in time"),
    ):
        if phrase in text:
            return f"{meaning} ({_host(text)})."
    return f"{_first_line(error)}."


def _host(text: str) -> str:
    match = re.search(r"host='([^']+)'", text)
    return match[1] if match else "the service"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

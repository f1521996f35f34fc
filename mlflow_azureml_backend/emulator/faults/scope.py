"""Which requests a fault is for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.asgi import headers_of, host_in
from mlflow_azureml_backend.emulator.hosts import service_of
from mlflow_azureml_backend.emulator.resources import WorkspaceKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Scope

    from mlflow_azureml_backend.emulator.faults.fault import Fault

_IN_PATH: Final = re.compile(
    r"/subscriptions/([^/]+)/resourceGroups/([^/]+)"
    r"/providers/Microsoft\.MachineLearningServices/workspaces/([^/]+)",
    re.IGNORECASE,
)
_PLACEHOLDER: Final = re.compile(r"\*|\{\w+(:path)?\}")
_LOG: Final = re.compile(r"/azureml/ExperimentRun/dcid\.[^/]+/(?:user_logs|azureml-logs|logs)/.+")
_STATUS_ROUTE: Final = re.compile(r".*/(?:jobs|runs)/[^/]+(?:/details)?", re.IGNORECASE)
_READS: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Hold what faults choose a request by.

    Args:
        method: the HTTP method.
        host: the host, in lower case and without a port.
        path: the path, decoded.
        client: the User-Agent.
        signed: it carries a shared access signature.
        bearer: it carries a bearer token.
    """

    method: str
    host: str
    path: str
    client: str
    signed: bool
    bearer: bool

    @property
    def service(self) -> str:
        """Name the service that is asked; empty when it is none."""
        return service_of(self.host) or ""


def asked(scope: Scope) -> Asked:
    """Read what faults choose by out of a request."""
    headers = headers_of(scope)
    return Asked(
        method=scope["method"],
        host=host_in(headers),
        path=scope["path"],
        client=headers.get("user-agent", ""),
        signed=b"sig=" in scope["query_string"],
        bearer=headers.get("authorization", "").lower().startswith("bearer "),
    )


def workspace_in(path: str) -> str:
    """Give the ARM id, in lower case, of the workspace a path speaks of; empty when it is none."""
    found = _IN_PATH.search(path)
    return found[0].lower() if found else ""


def storage_account_of(arm_id: str) -> str:
    """Name the storage account of a workspace by its ARM id."""
    found = _IN_PATH.search(arm_id)
    if found is None:
        return ""
    key = WorkspaceKey(subscription_id=found[1], resource_group=found[2], name=found[3])
    return key.storage_account


def chooser(fault: Fault) -> Callable[[Asked], bool]:
    """Make the function that says whether a request is one of a fault's."""
    method, _, where = fault.route.rpartition(" ")
    pattern = _pattern(where) if where else None
    of_path = where.startswith("/")
    client = _pattern(f"*{fault.client}*") if fault.client else None
    account = storage_account_of(fault.workspace)
    concerns = _CONCERNS.get(fault.effect, _everything)

    def chooses(request: Asked) -> bool:
        if method not in {"", "*", request.method}:
            return False
        if pattern is not None:
            text = request.path if of_path else f"{request.host}{request.path}"
            if not pattern.fullmatch(text):
                return False
        if fault.service and fault.service != request.service:
            return False
        if fault.workspace and not (
            workspace_in(request.path) == fault.workspace
            or (request.service == "blob" and request.host.partition(".")[0] == account)
        ):
            return False
        if client is not None and not client.fullmatch(request.client):
            return False
        return concerns(request, bool(where))

    return chooses


def _pattern(text: str) -> re.Pattern[str]:
    parts: list[str] = []
    end = 0
    for found in _PLACEHOLDER.finditer(text):
        parts.append(re.escape(text[end : found.start()]))
        parts.append(".*" if found[0] == "*" or found[1] else "[^/]+")
        end = found.end()
    parts.append(re.escape(text[end:]))
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


def _everything(request: Asked, named: bool) -> bool:
    del request, named
    return True


def _log(request: Asked, named: bool) -> bool:
    """Tell whether a log is read; a route that was named says itself what is a log."""
    is_read = request.service == "blob" and request.method in _READS
    return is_read and (named or _LOG.fullmatch(request.path) is not None)


def _status(request: Asked, named: bool) -> bool:
    return request.method == "GET" and (named or _STATUS_ROUTE.fullmatch(request.path) is not None)


# What an effect can be seen in at all; those that are not named here: in every request.
_CONCERNS: Final[dict[str, Callable[[Asked, bool], bool]]] = {
    "expired_token": lambda request, _: request.bearer,
    "token_lifetime": lambda request, _: request.path.endswith("/token"),
    "expired_sas": lambda request, _: request.signed and request.service == "blob",
    "log_fragments": _log,
    "log_truncated": _log,
    "log_rotated": _log,
    "lag": _status,
    "lag_answers": _status,
    "status_order": _status,
    "truncate": lambda request, _: request.method != "HEAD",
    "slow": lambda request, _: request.method != "HEAD",
}

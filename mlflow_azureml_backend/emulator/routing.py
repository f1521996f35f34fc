"""Routes and the calls they answer: a route is a plain function from a call to a response."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, Response

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.resources import WorkspaceKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from mlflow_azureml_backend.emulator.emulation import Emulation
    from mlflow_azureml_backend.emulator.identity import Principal

WORKSPACE: Final = (
    "/subscriptions/{subscription}/resourceGroups/{group}"
    "/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
)
"""The path of a workspace, for the templates of routes."""

_PARAMETER: Final = re.compile(r"\{(\w+)(:path)?\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Hold one request, as a route sees it.

    Args:
        method: the HTTP method, in upper case.
        host: the host that was asked, in lower case and without a port.
        path: the path, decoded.
        raw_path: the path as it was sent, still percent-encoded.
        params: what the placeholders of the route's template matched, decoded.
        raw_query: the query as it was sent, still percent-encoded.
        query: the query's parameters, decoded; the last one wins.
        headers: the headers, their names in lower case.
        body: the whole body; empty for routes that stream.
        stream: the body in pieces, for routes that stream; may be read once.
        emulation: the emulator's parts.
        principal: who asks; None on open routes.
    """

    method: str
    host: str
    path: str
    raw_path: str
    raw_query: str = ""
    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    stream: Iterator[bytes]
    emulation: Emulation
    principal: Principal | None

    def json(self) -> dict[str, Any]:
        """Give the body as a JSON object.

        Raises:
            ServiceError: 400 when it is anything else.
        """
        try:
            document = json.loads(self.body)
        except ValueError as error:
            raise _bad_request(f"The request body is not valid JSON: {error}.") from None
        if not isinstance(document, dict):
            raise _bad_request("The request body has to be a JSON object.")
        return document

    @property
    def workspace(self) -> WorkspaceKey:
        """Name the workspace the path speaks of, in the spelling of the path.

        Raises:
            ServiceError: 404 in ARM's own form when there is no such workspace.
        """
        key = WorkspaceKey(
            subscription_id=self.params["subscription"],
            resource_group=self.params["group"],
            name=self.params["workspace"],
        )
        if not self.emulation.state.list("workspace", key.arm_id.lower()):
            raise ServiceError(
                404,
                "ResourceNotFound",
                f"The Resource 'Microsoft.MachineLearningServices/workspaces/{key.name}' under "
                f"resource group '{key.resource_group}' was not found. For more details please "
                "go to https://aka.ms/ARMResourceNotFoundFix",
                arm=True,
            )
        return key


@dataclass(frozen=True, kw_only=True)
class Route:
    """Bind a function to the requests it answers.

    Args:
        service: `arm`, `api`, `login`, `blob`, or `local` for plain http on the front itself.
        method: the HTTP method.
        path: the template: `{name}` matches one segment, `{name:path}` everything that is left
            (also nothing). Fixed segments match in any case, as ARM's do.
        handle: the function; it runs in a thread of a pool and may block.
        open: no bearer token is asked for.
        streams: the body is given in pieces (`Call.stream`) and may be of any size.
        is_brief: tells of a request that its answer takes no longer than going to a thread and
            back; it must not wait for other requests, and its body must be small.
    """

    service: str
    method: str
    path: str
    handle: Callable[[Call], Response]
    open: bool = False
    streams: bool = False
    is_brief: Callable[[Call], bool] | None = None

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Give the template as a regular expression over still encoded paths."""
        parts: list[str] = []
        end = 0
        for found in _PARAMETER.finditer(self.path):
            parts.append(re.escape(self.path[end : found.start()]))
            parts.append(f"(?P<{found[1]}>{'.*' if found[2] else '[^/]+'})")
            end = found.end()
        parts.append(re.escape(self.path[end:]))
        return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)

    @cached_property
    def resource_type(self) -> str:
        """Name the type of the resource that is asked for, as Azure Resource Manager does."""
        below = self.path.rpartition("/providers/")[2]
        return "/".join(part for part in below.split("/") if not part.startswith("{"))

    @property
    def specificity(self) -> tuple[int, int, int]:
        """Rank the template among those that match the same path: fixed text goes first."""
        rest = self.path.count(":path}")
        return (-rest, -len(_PARAMETER.findall(self.path)), len(self.path))


def json_response(
    body: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with a JSON document, as the services do.

    The headers that come with every answer of a service (request ids, cluster, time taken) are
    added where the answer leaves the emulator.

    Args:
        body: anything `json` can write.
        status: the HTTP status.
        headers: further headers.
    """
    return JSONResponse(body, status, headers=headers, media_type="application/json; charset=utf-8")


def ordered(routes: Iterable[Route]) -> tuple[Route, ...]:
    """Put routes into the order in which they are tried: the most specific template first."""
    return tuple(sorted(routes, key=lambda route: route.specificity, reverse=True))


def _bad_request(message: str) -> ServiceError:
    return ServiceError(400, "UserError", message, inner=("BadArgument", "ArgumentInvalid"))

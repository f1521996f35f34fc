"""Administration: what was asked so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.faults.parsing import FaultError, workspace_id
from mlflow_azureml_backend.emulator.journal import MOST_ENTRIES
from mlflow_azureml_backend.emulator.journaling import JOURNAL_PATH
from mlflow_azureml_backend.emulator.routes.admin import closed
from mlflow_azureml_backend.emulator.routing import Call, json_response

if TYPE_CHECKING:
    from starlette.responses import Response

_USUAL_LIMIT: Final = 1000


def read_journal(call: Call) -> Response:
    """Give entries of the journal, oldest first; `next` is what to ask for with `since` next."""
    query = call.query
    since = _number(query.get("since", "0"), "since")
    limit = _number(query.get("limit", str(_USUAL_LIMIT)), "limit")
    try:
        workspace = workspace_id(query["workspace"]) if query.get("workspace") else ""
    except FaultError as error:
        raise ServiceError(400, "BadRequest", str(error), arm=True) from None
    entries = call.emulation.journal.read(
        since=since,
        limit=min(limit, MOST_ENTRIES),
        workspace=workspace,
        client=query.get("client", ""),
    )
    return json_response(
        {
            "entries": [entry.as_json() for entry in entries],
            "next": entries[-1].number if entries else since,
        }
    )


def _number(text: str, name: str) -> int:
    if not text.isdecimal():
        raise ServiceError(
            400,
            "BadRequest",
            f"'{name}' has to be a whole number, 0 or more, not '{text}'.",
            arm=True,
        )
    return int(text)


ROUTES: Final = (closed("GET", JOURNAL_PATH, read_journal),)

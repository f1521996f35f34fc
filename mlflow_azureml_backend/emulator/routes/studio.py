"""Pages for people: a job's page at its studio link, and the MLflow UI on the same data.

They are on the front itself, over plain http on this machine, so that a browser needs neither the
proxy nor the private authority. Only a browser that was let in by a one-time link sees them.
"""

from __future__ import annotations

import re
import secrets
from html import escape
from http import HTTPStatus
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import yaml
from starlette.responses import HTMLResponse, RedirectResponse

from mlflow_azureml_backend.emulator.authentication import front_principal
from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.jobs.status import JobStatus
from mlflow_azureml_backend.emulator.resources import EMULATOR_WORKSPACE, WorkspaceKey
from mlflow_azureml_backend.emulator.routing import Call, Route, json_response
from mlflow_azureml_backend.emulator.run_artifacts import ARTIFACT_CONTAINER, run_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.responses import Response

_LOG_TAIL: Final = 1 << 18
_LISTED_JOBS: Final = 100
# What a terminal would have overwritten: the former states of a progress bar.
_OVERWRITTEN: Final = re.compile(r"[^\n]*\r(?!\n)")
_NEVER_FOLDED: Final = 1 << 20
_PAGE: Final = Template(Path(__file__).with_name("studio.html").read_text(encoding="utf-8"))
_NOTICE: Final = Template(
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>$title</title>'
    "<h1>$title</h1>$text</html>"
)
_PRIVATE: Final = _NOTICE.substitute(
    title="This emulator is private",
    text="<p>Run <code>mlflow-azureml emulator open</code>: it lets your browser in.</p>",
)
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def for_browsers(handle: Callable[[Call], Response]) -> Callable[[Call], Response]:
    """Let only browsers with a cookie through, and tell errors as people read them.

    Args:
        handle: the route.
    """

    def guarded(call: Call) -> Response:
        try:
            front_principal(call.method, call.headers, call.emulation)
            return handle(call)
        except ServiceError as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                return _page(_PRIVATE, status=error.status)
            page = _NOTICE.substitute(title="Not found", text=f"<p>{escape(error.message)}</p>")
            return _page(page, status=error.status)

    return guarded


def job_page(call: Call) -> Response:
    """Show a job: its status, what it is, its log, and what it logged; refreshed while it runs."""
    workspace = _workspace(call)
    job, _ = _documents(call, workspace)
    run = call.emulation.tracking.summary(workspace, call.params["job"])
    nonce = secrets.token_urlsafe(16)
    page = _PAGE.substitute(
        nonce=nonce,
        title=escape(job.get("displayName") or call.params["job"]),
        job=escape(call.params["job"]),
        workspace=escape(workspace.name),
        experiment=escape(run.experiment_name),
        specification=escape(_specification(job)),
        mlflow=escape(
            f"{_mlflow_path(workspace)}/#/experiments/{run.experiment_id}/runs/{run.run_id}"
        ),
    )
    return _page(page, nonce=nonce)


def job_state(call: Call) -> Response:
    """Give what changes on the page of a job: asked again and again while it is open."""
    workspace = _workspace(call)
    job, history = _documents(call, workspace)
    run = call.emulation.tracking.summary(workspace, call.params["job"])
    logs = list(history.get("logFiles") or [])
    log = call.query.get("log", "")
    if log not in logs:
        # What the job itself writes, and before it writes anything what prepares it.
        log = next((name for name in logs if name.startswith("user_logs/")), "".join(logs[-1:]))
    return json_response(
        {
            "status": job["status"],
            "terminal": JobStatus(job["status"]).is_terminal,
            "started": history.get("startTimeUtc"),
            "ended": history.get("endTimeUtc"),
            "error": (history.get("error") or {}).get("message"),
            "params": run.params,
            "metrics": {name: repr(value) for name, value in run.metrics.items()},
            "tags": run.tags,
            "logs": logs,
            "log": log,
            "text": _tail(call, workspace, log) if log else "",
        }
    )


def jobs_page(call: Call) -> Response:
    """List the newest jobs of a workspace: where `emulator open` leads when told nothing else."""
    workspace = _workspace(call)
    jobs = call.emulation.state.list("job", workspace.storage_key)[:_LISTED_JOBS]
    query = urlencode({"wsid": workspace.arm_id})
    rows = "".join(
        f'<li><a href="/runs/{quote(job.name)}?{query}">'
        f"{escape(job.body.get('displayName') or job.name)}</a> {escape(job.body['status'])}"
        for job in jobs
    )
    text = f'<a href="{_mlflow_path(workspace)}/">MLflow UI</a><ol>{rows}</ol>'
    title = f"Emulated workspace {workspace.name}"
    return _page(_NOTICE.substitute(title=escape(title), text=text))


def mlflow_ui(call: Call) -> Response:
    """Serve the MLflow UI and what it asks for, below a path of its own for each workspace.

    The UI names everything relative to its page, so it needs no static prefix.
    """
    workspace, rest = call.workspace, call.params["rest"]
    answer = call.emulation.tracking.answer(
        workspace, call, path=f"/{rest}", mounted_at=_mlflow_path(workspace)
    )
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["X-Frame-Options"] = "SAMEORIGIN"
    return answer


def model_page(call: Call) -> Response:
    """Lead from the studio's link of a model version to its page in the MLflow UI."""
    name, _, version = call.params["model"].rpartition(":")
    path = f"{_mlflow_path(_workspace(call))}/#/models/{quote(name, safe='')}"
    return RedirectResponse(f"{path}/versions/{quote(version)}" if version else path)


def mlflow_root(call: Call) -> Response:
    """Lead to the MLflow UI: its relative names need the slash at the end of its path."""
    return RedirectResponse(f"{_mlflow_path(call.workspace)}/")


def _workspace(call: Call) -> WorkspaceKey:
    """Name the workspace that the studio link speaks of in its `wsid`."""
    parts = call.query.get("wsid", EMULATOR_WORKSPACE.arm_id).strip("/").split("/")
    named = dict(zip((part.lower() for part in parts[::2]), parts[1::2], strict=False))
    try:
        return WorkspaceKey(
            subscription_id=named["subscriptions"],
            resource_group=named["resourcegroups"],
            name=named["workspaces"],
        )
    except KeyError:
        raise ServiceError(404, "UserError", "The link names no workspace.") from None


def _documents(call: Call, workspace: WorkspaceKey) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    state, name = call.emulation.state, call.params["job"]
    job = state.get("job", workspace.storage_key, name)
    run = state.get("run", workspace.storage_key, name)
    if job is None:
        raise ServiceError(
            404, "UserError", f"There is no job '{name}' in the workspace '{workspace.name}'."
        )
    return job.body, {} if run is None else run.body


def _specification(job: Mapping[str, Any]) -> str:
    """Write the job down as YAML, without what is not set or changes."""
    shown = _without_unset({**job, "status": None})
    return yaml.safe_dump(shown, sort_keys=True, allow_unicode=True, width=_NEVER_FOLDED)


def _without_unset(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key: _without_unset(item) for key, item in value.items()}
    return {key: item for key, item in inner.items() if item not in (None, {}, [])}


def _tail(call: Call, workspace: WorkspaceKey, log: str) -> str:
    name = run_folder(call.params["job"]).artifact_id(log)
    blob = call.emulation.blobs.info(workspace.storage_account, ARTIFACT_CONTAINER, name)
    if blob is None:
        return ""
    with blob.file.open("rb") as stream:
        stream.seek(max(0, blob.size - _LOG_TAIL))
        text = stream.read(_LOG_TAIL).decode(errors="replace")
    return _OVERWRITTEN.sub("", text)


def _mlflow_path(workspace: WorkspaceKey) -> str:
    parts = workspace.subscription_id, workspace.resource_group, workspace.name
    return "/mlflow/" + "/".join(quote(part, safe="") for part in parts)


def _page(html: str, *, status: int = 200, nonce: str | None = None) -> Response:
    own = f"'nonce-{nonce}'" if nonce else "'none'"
    return HTMLResponse(
        html,
        status,
        headers={
            "Content-Security-Policy": (
                f"default-src 'none'; script-src {own}; style-src {own}; connect-src 'self'; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        },
    )


_UI: Final = "/mlflow/{subscription}/{group}/{workspace}"

ROUTES: Final = (
    Route(service="local", method="GET", path="/", handle=for_browsers(jobs_page), open=True),
    Route(
        service="local", method="GET", path="/runs/{job}", handle=for_browsers(job_page), open=True
    ),
    Route(
        service="local",
        method="GET",
        path="/runs/{job}/state",
        handle=for_browsers(job_state),
        open=True,
    ),
    Route(
        service="local",
        method="GET",
        path="/model/{model}/details",
        handle=for_browsers(model_page),
        open=True,
    ),
    Route(service="local", method="GET", path=_UI, handle=for_browsers(mlflow_root), open=True),
    *(
        Route(
            service="local",
            method=method,
            path=f"{_UI}/{{rest:path}}",
            handle=for_browsers(mlflow_ui),
            open=True,
        )
        for method in _METHODS
    ),
)

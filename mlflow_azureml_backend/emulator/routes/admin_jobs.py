"""Administration of jobs: their pace, and each single step of them, for tests that never sleep."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.jobs.pace import Pace
from mlflow_azureml_backend.emulator.jobs.status import COURSE, JobStatus
from mlflow_azureml_backend.emulator.jobs.stepping import FORCED, REACHABLE, advance, show
from mlflow_azureml_backend.emulator.routes.admin import closed
from mlflow_azureml_backend.emulator.routes.jobs import job_not_found
from mlflow_azureml_backend.emulator.routing import json_response

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.responses import Response

    from mlflow_azureml_backend.emulator.routing import Call

_LONGEST_WAIT: Final = 30.0
_WORKSPACE: Final = "/_emulator/workspaces/{subscription}/{group}/{workspace}"
_DWELLING: Final = (*COURSE, JobStatus.CANCEL_REQUESTED)


def _put_pace(call: Call) -> Response:
    """Set how fast the jobs of a workspace go on; what is left out stays as it is.

    Raises:
        ServiceError: 400 for a body that makes no sense.
    """
    sent = _fields(call, {"held", "dwell_seconds"})
    key, paces = call.workspace, call.emulation.jobs.paces
    known = paces.of(key)
    held = sent.get("held", known.held)
    if not isinstance(held, bool):
        raise _refused("`held` has to be true or false.")
    seconds, of_status = known.seconds, dict(known.of_status)
    dwell = sent.get("dwell_seconds")
    if isinstance(dwell, dict):
        of_status = {
            _status(name, _DWELLING, "a status in `dwell_seconds`"): _seconds(
                value, f"`dwell_seconds.{name}`"
            )
            for name, value in dwell.items()
        }
    elif dwell is not None:
        seconds, of_status = _seconds(dwell, "`dwell_seconds`"), {}
    pace = Pace(held=held, seconds=seconds, of_status=of_status)
    paces.change(key, pace)
    return json_response(_shown(pace))


def _get_pace(call: Call) -> Response:
    return json_response(_shown(call.emulation.jobs.paces.of(call.workspace)))


def _advance(call: Call) -> Response:
    """Let a job go on to a status, or one step, and answer when it is there.

    Raises:
        ServiceError: 404 for an unknown job, 409 when it does not get there in time.
    """
    sent = _fields(call, {"to", "seconds"})
    key, name = call.workspace, call.params["job"]
    status = _status_of(call)
    to = None if sent.get("to") is None else _status(sent["to"], REACHABLE, "`to`")
    seconds = min(_seconds(sent.get("seconds", _LONGEST_WAIT), "`seconds`"), _LONGEST_WAIT)
    step = advance(call.emulation.jobs, key, name, status, to=to, seconds=seconds)
    if not step.reached:
        target = "another status" if to is None else to.value
        raise ServiceError(
            409,
            "Conflict",
            f"The job {name} did not come to {target} within {seconds:g} seconds. "
            f"{step.status.value}: {step.reason}.",
            arm=True,
        )
    return json_response({"status": step.status.value})


def _show(call: Call) -> Response:
    """Show a job at a status that it does not come to by itself, or at its own again.

    Raises:
        ServiceError: 404 for an unknown job, 409 when it has ended or is at another status.
    """
    sent = _fields(call, {"status"})
    name = call.params["job"]
    own = _status_of(call)
    status = _status(sent.get("status"), (*FORCED, *_DWELLING), "`status`")
    step = show(call.emulation.jobs, call.workspace, name, status)
    if not step.reached:
        raise ServiceError(
            409,
            "Conflict",
            f"The job {name} cannot be shown as {status.value}: {step.reason or own.value}.",
            arm=True,
        )
    return json_response({"status": step.status.value})


def _status_of(call: Call) -> JobStatus:
    name = call.params["job"]
    job = call.emulation.state.get("job", call.workspace.storage_key, name)
    if job is None:
        raise job_not_found(name)
    return JobStatus(job.body["status"])


def _shown(pace: Pace) -> Mapping[str, Any]:
    by_status = {status.value: seconds for status, seconds in pace.of_status.items()}
    return {"held": pace.held, "dwell_seconds": pace.seconds, "dwell_seconds_of": by_status}


def _fields(call: Call, known: set[str]) -> dict[str, Any]:
    sent = call.json() if call.body.strip() else {}
    if unknown := sorted(set(sent) - known):
        raise _refused(f"`{unknown[0]}` is not known here; known are {', '.join(sorted(known))}.")
    return sent


def _status(name: Any, allowed: Iterable[JobStatus], field: str) -> JobStatus:
    by_name = {status.value: status for status in allowed}
    if not isinstance(name, str) or name not in by_name:
        raise _refused(f"{field} is {name!r}; it has to be one of {', '.join(by_name)}.")
    return by_name[name]


def _seconds(value: Any, field: str) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value < 0:
        raise _refused(f"{field} has to be a number of seconds, 0 or more.")
    return float(value)


def _refused(message: str) -> ServiceError:
    return ServiceError(400, "BadRequest", message, arm=True)


ROUTES: Final = (
    closed("GET", f"{_WORKSPACE}/pace", _get_pace),
    closed("PUT", f"{_WORKSPACE}/pace", _put_pace),
    closed("POST", f"{_WORKSPACE}/jobs/{{job}}/advance", _advance),
    closed("PUT", f"{_WORKSPACE}/jobs/{{job}}/status", _show),
)

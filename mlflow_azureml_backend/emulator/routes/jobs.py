"""Jobs: submit, read, list, cancel and delete them. The job engine runs them."""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from mlflow_azureml_backend.emulator.assets import is_listed
from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.field_checks import invalid
from mlflow_azureml_backend.emulator.job_body import changed_job, new_job, shown_job
from mlflow_azureml_backend.emulator.job_creation import (
    children,
    create_job,
    described,
    parent_of,
)
from mlflow_azureml_backend.emulator.jobs.status import JobStatus
from mlflow_azureml_backend.emulator.pipeline_body import new_pipeline
from mlflow_azureml_backend.emulator.resources import USER, resource, timestamp
from mlflow_azureml_backend.emulator.routes.job_checks import check_job, check_job_fields
from mlflow_azureml_backend.emulator.routes.job_operations import ROUTES as _JOB_OPERATIONS
from mlflow_azureml_backend.emulator.routes.job_operations import begin_job_operation
from mlflow_azureml_backend.emulator.routes.management import (
    managed,
    newest_page,
    sent_properties,
    stored,
)
from mlflow_azureml_backend.emulator.routes.pipeline_checks import check_pipeline
from mlflow_azureml_backend.emulator.routes.sweep_checks import check_sweep
from mlflow_azureml_backend.emulator.routing import json_response
from mlflow_azureml_backend.emulator.sweep_body import new_sweep

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.routing import Call
    from mlflow_azureml_backend.emulator.state import Document, State

_KIND: Final = "job"
_RUN: Final = "run"
_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_]{0,254}")
_SUBMITTING: Final = threading.Lock()


def job_not_found(name: str) -> ServiceError:
    """Build the 404 for a job."""
    return ServiceError(
        404,
        "UserError",
        f"Job {name} not found.",
        inner=("NotFound", "JobNotFound"),
        message_format="Job {jobId} not found.",
        message_parameters={"jobId": name},
    )


def describe_job(call: Call, key: WorkspaceKey, name: str, sent: Mapping[str, Any]) -> Document:
    """Change what describes a job, here and in its MLflow run.

    Args:
        call: the request.
        key: the workspace.
        name: the job, which exists.
        sent: the properties the client sent.
    """
    document = call.emulation.state.update(
        _KIND, key.storage_key, name, "", lambda job: changed_job(job, sent)
    )
    tags = {**described(document.body), "mlflow.runName": document.body["displayName"]}
    with suppress(KeyError):  # its user may have deleted the run
        call.emulation.tracking.set_tags(key, name, tags)
    return document


def _put(call: Call) -> Response:
    """Submit a job under a name of the client's choice; under a known name, describe it anew.

    A known job is not run again: so a submission whose answer got lost may be repeated.

    Raises:
        ServiceError: 400 or 404 for a job that cannot run.
    """
    key, name, sent = call.workspace, call.params["job"], sent_properties(call)
    state = call.emulation.state
    check_job_fields(sent)
    # Two that submit the same name at once: one of them starts it.
    with _SUBMITTING:
        if state.get(_KIND, key.storage_key, name) is not None:
            document = describe_job(call, key, name, sent)
            return json_response(_rendered(call, key, document))
        if not _NAME.fullmatch(name):
            raise invalid(f"The job name '{name}' is not valid.", "InvalidJobName")
        if sent.get("jobType") == "Sweep":
            environment = check_sweep(state, key, sent)
            job = new_sweep(name, sent, environment_id=environment)
        elif sent.get("jobType") == "Pipeline":
            check_pipeline(state, key, sent)
            job = new_pipeline(name, sent)
        else:
            check_job(state, key, sent)
            job = new_job(name, sent)
        create_job(call.emulation, call.emulation.jobs, key, name, job)
        document = _found(call, key, name)
    call.emulation.jobs.submit(key, name)
    return stored(call, _rendered(call, key, document), created=True)


def _get(call: Call) -> Response:
    key = call.workspace
    return json_response(_rendered(call, key, _found(call, key, call.params["job"])))


def _list(call: Call) -> Response:
    key, query = call.workspace, call.query

    def listed(after: tuple[float, str, str] | None) -> Iterator[Document]:
        for document in call.emulation.state.newest(_KIND, key.storage_key, after):
            job = document.body
            if (
                # Trials and steps are found through their parent alone.
                parent_of(call.emulation.state, key, document.name) is None
                and is_listed(job, query.get("listViewType"))
                and query.get("jobType", job["jobType"]).lower() == job["jobType"].lower()
                and _has(job["tags"], query.get("tag"))
                and _has(job["properties"], query.get("properties"))
            ):
                yield document

    return newest_page(call, listed, partial(_rendered, call, key))


def _has(values: Mapping[str, Any], wanted: str | None) -> bool:
    """Tell whether all wanted names are there, with their values where the query gives some."""
    for term in filter(None, (wanted or "").split(",")):
        name, given, value = term.partition("=")
        if name not in values or (given and str(values[name]) != value):
            return False
    return True


def _cancel(call: Call) -> Response:
    """Ask a job to stop; the operation that is answered lasts until it has.

    Raises:
        ServiceError: 400 when the job has ended already.
    """
    key, name = call.workspace, call.params["job"]
    _found(call, key, name)
    if not call.emulation.jobs.cancel(key, name):
        raise invalid(
            f"The pipeline run {name} is in terminal status, it can't be canceled.",
            "CancelPipelineRunInTerminalStatus",
        )
    return json_response(None, 202, begin_job_operation(call, key, "jc", name))


def _delete(call: Call) -> Response:
    """Forget a job that has ended; an unknown one is 204, as ARM has it.

    Raises:
        ServiceError: 400 when the job has not ended.
    """
    key, name, state = call.workspace, call.params["job"], call.emulation.state
    document = state.get(_KIND, key.storage_key, name)
    if document is None:
        return Response(status_code=204)
    parent = state.get(_KIND, key.storage_key, parent_of(state, key, name) or "")
    for needed in filter(None, (parent, document)):  # what a parent goes by stays until its end
        if not JobStatus(needed.body["status"]).is_terminal:
            raise invalid(
                f"The job {needed.name} is in status {needed.body['status']}, {name} can't be "
                "deleted. Cancel it first.",
                "DeleteJobInNonTerminalStatus",
            )
    with state.together():
        for each in (*children(state, key, name), name):
            state.delete(_KIND, key.storage_key, each)
            state.delete(_RUN, key.storage_key, each)
    return Response(status_code=202, headers=begin_job_operation(call, key, "jd", name))


def _found(call: Call, key: WorkspaceKey, name: str) -> Document:
    document = call.emulation.state.get(_KIND, key.storage_key, name)
    if document is None:
        raise job_not_found(name)
    return document


def _rendered(call: Call, key: WorkspaceKey, document: Document) -> dict[str, Any]:
    emulation = call.emulation
    properties = shown_job(
        document.name,
        document.body,
        key,
        region=emulation.settings.region,
        studio=emulation.address,
    )
    # A job does not say who changed it.
    data = {
        "createdAt": timestamp(document.created),
        "createdBy": USER,
        "createdByType": "User",
    }
    answer = resource(key, f"jobs/{document.name}", properties, data)
    if _is_step(call.emulation.state, key, document.name):
        del answer["properties"]  # by which clients know to ask run history
    return answer


def _is_step(state: State, key: WorkspaceKey, name: str) -> bool:
    parent = parent_of(state, key, name)
    found = None if parent is None else state.get(_KIND, key.storage_key, parent)
    return found is not None and found.body["jobType"] == "Pipeline"


ROUTES: Final = (
    *managed("GET", "/jobs", _list),
    *managed("GET", "/jobs/{job}", _get),
    *managed("PUT", "/jobs/{job}", _put),
    *managed("DELETE", "/jobs/{job}", _delete),
    *managed("POST", "/jobs/{job}/cancel", _cancel),
    *_JOB_OPERATIONS,
)

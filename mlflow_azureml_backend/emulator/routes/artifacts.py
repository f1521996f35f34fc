"""Artifacts of runs and uploads: where they are, and signed URLs to read and write them.

The bytes themselves go to blob storage. An artifact is created once: a second creation under the
same path is a conflict, as is a second upload of its blob.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import FileResponse

from mlflow_azureml_backend.emulator.errors import BlobError, ServiceError
from mlflow_azureml_backend.emulator.routing import WORKSPACE, Call, Route, json_response
from mlflow_azureml_backend.emulator.run_artifacts import (
    ARTIFACT_CONTAINER,
    ArtifactFolder,
    run_folder,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.responses import Response

    from mlflow_azureml_backend.emulator.blob_info import BlobInfo

_READ: Final = "r"
_CREATE: Final = "rcw"
_LIFETIME: Final = timedelta(days=1)

_OF_RUN: Final = "{experiment}/runs/{run}/artifacts"
_OF_ORIGIN: Final = f"/artifact/v2.0{WORKSPACE}/artifacts/{{origin}}/{{container}}"


def create(call: Call) -> Response:
    """Take note of new artifacts and give a URL to upload each to.

    Paths that exist are answered in `errors`; the service does not refuse the whole batch.
    """
    wanted = call.json().get("paths")
    if not isinstance(wanted, list) or not all(
        isinstance(item, dict) and isinstance(item.get("path"), str) and item["path"]
        for item in wanted
    ):
        raise _bad_request("The body has to name artifacts: {'paths': [{'path': '…'}]}.")
    answer: dict[str, dict[str, Any]] = {
        "artifacts": {},
        "artifactContentInformation": {},
        "errors": {},
    }
    for path in (item["path"] for item in wanted):
        if _find(call, path) is not None:
            answer["errors"][path] = {"error": _conflict_document(call, path)}
            continue
        answer["artifacts"][path] = _artifact(call, path, None)
        answer["artifactContentInformation"][path] = _content_information(call, path, _CREATE)
    return json_response(answer)


def list_artifacts(call: Call) -> Response:
    """List the artifacts in a folder and below, also what a job left there; always one page."""
    return _page([_artifact(call, path, blob) for path, blob in _below(call)])


def list_content_information(call: Call) -> Response:
    """Give a URL to read for each artifact in a folder and below."""
    return _page([_content_information(call, path, _READ) for path, _ in _below(call)])


def metadata(call: Call) -> Response:
    """Describe one artifact; 404 when there is none."""
    path, blob = _existing(call)
    return json_response(_artifact(call, path, blob))


def content_information(call: Call) -> Response:
    """Give a URL to read one artifact; 404 when there is none.

    The URL is one of blob storage with a signature in its query: azureml-mlflow downloads nothing,
    and says nothing, when it looks otherwise.
    """
    path, _ = _existing(call)
    return json_response(_content_information(call, path, _READ))


def read_url(call: Call) -> Response:
    """Give the bare URL to read one artifact of a run; 404 when there is none."""
    path, _ = _existing(call)
    return json_response(_content_information(call, path, _READ)["contentUri"])


def download(call: Call) -> Response:
    """Send the bytes of one artifact; 404 when there is none."""
    _, blob = _existing(call)
    return FileResponse(blob.file, media_type=blob.content_type)


def upload(call: Call) -> Response:
    """Store the bytes of one artifact; 409 when it exists, unless `allowOverwrite` is true."""
    path = _path(call)
    try:
        blob = call.emulation.blobs.write(
            call.workspace.storage_account,
            ARTIFACT_CONTAINER,
            _folder(call).artifact_id(path),
            call.stream,
            if_none_match=call.query.get("allowOverwrite", "").lower() != "true",
        )
    except BlobError as error:
        if error.status != HTTPStatus.CONFLICT:
            raise
        message = _conflict(call, path)
        raise ServiceError(409, "UserError", message, inner=("ConflictError",)) from None
    return json_response(_artifact(call, path, blob))


def _folder(call: Call) -> ArtifactFolder:
    run = call.params.get("run")
    if run is not None:
        return run_folder(run)
    return ArtifactFolder(origin=call.params["origin"], container=call.params["container"])


def _path(call: Call) -> str:
    path = call.query.get("path", "")
    if not path:
        raise _bad_request("The query has to name an artifact: ?path=….")
    return path


def _find(call: Call, path: str) -> BlobInfo | None:
    name = _folder(call).artifact_id(path)
    return call.emulation.blobs.info(call.workspace.storage_account, ARTIFACT_CONTAINER, name)


def _existing(call: Call) -> tuple[str, BlobInfo]:
    path = _path(call)
    blob = _find(call, path)
    if blob is None:
        raise ServiceError(
            404,
            "UserError",
            f"Resource Not Found: ArtifactId {_folder(call).artifact_id(path)} does not exist.",
            inner=("NotFoundError",),
        )
    return path, blob


def _below(call: Call) -> Iterator[tuple[str, BlobInfo]]:
    root = _folder(call).artifact_id("")
    folder = call.query.get("path", "").strip("/")
    for blob in call.emulation.blobs.list(
        call.workspace.storage_account, ARTIFACT_CONTAINER, f"{root}{folder}"
    ):
        found = blob.name.removeprefix(root)
        # `models` means `models` and `models/…`, not `models2`.
        if not folder or found == folder or found.startswith(f"{folder}/"):
            yield found, blob


def _artifact(call: Call, path: str, blob: BlobInfo | None) -> dict[str, Any]:
    folder = _folder(call)
    artifact_id = folder.artifact_id(path)
    return {
        "artifactId": artifact_id,
        "origin": folder.origin,
        "container": folder.container,
        "path": path,
        "etag": None if blob is None else blob.etag,
        "createdTime": None if blob is None else blob.created.isoformat(),
        "dataPath": {
            "dataStoreName": "workspaceartifactstore",
            "relativePath": artifact_id,
            "sqlDataPath": None,
        },
        "tags": {},
    }


def _content_information(call: Call, path: str, permissions: str) -> dict[str, Any]:
    folder = _folder(call)
    return {
        "contentUri": call.emulation.blobs.sas_url(
            call.workspace.storage_account,
            ARTIFACT_CONTAINER,
            folder.artifact_id(path),
            permissions=permissions,
            lifetime=_LIFETIME,
        ),
        "origin": folder.origin,
        "container": folder.container,
        "path": path,
        "tags": {},
    }


def _page(value: list[dict[str, Any]]) -> Response:
    return json_response({"value": value, "continuationToken": None, "nextLink": None})


def _conflict(call: Call, path: str) -> str:
    return f"Resource Conflict: ArtifactId {_folder(call).artifact_id(path)} already exists."


def _conflict_document(call: Call, path: str) -> dict[str, Any]:
    return {
        "code": "UserError",
        "message": _conflict(call, path),
        "innerError": {"code": "ConflictError", "innerError": None},
    }


def _bad_request(message: str) -> ServiceError:
    return ServiceError(400, "UserError", message, inner=("BadArgument", "ArgumentInvalid"))


_SHARED: Final = (
    ("POST", "/batch/metadata", create),
    ("GET", "", list_artifacts),
    ("GET", "/metadata", metadata),
    ("GET", "/contentinfo", content_information),
    ("GET", "/prefix/contentinfo", list_content_information),
)

ROUTES: Final = (
    *(
        Route(
            service="api",
            method=method,
            path=f"/history/v1.0{WORKSPACE}/{by}/{_OF_RUN}{path}",
            handle=handle,
        )
        for by in ("experiments", "experimentids")
        for method, path, handle in (
            *_SHARED,
            ("GET", "/path", list_artifacts),
            ("GET", "/artifacturi", read_url),
        )
    ),
    *(
        Route(service="api", method=method, path=f"{_OF_ORIGIN}{path}", handle=handle)
        for method, path, handle in (*_SHARED, ("GET", "/content", download))
    ),
    Route(service="api", method="POST", path=f"{_OF_ORIGIN}/content", handle=upload, streams=True),
)

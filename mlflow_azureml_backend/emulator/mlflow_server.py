"""The MLflow server application in this process, made to serve one workspace a request.

Importing this module imports MLflow, which takes seconds: `tracking.py` does it late.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import sys
import threading
from contextlib import contextmanager
from contextvars import copy_context
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import mlflow.server
import mlflow.store.model_registry.sqlalchemy_store as registry_module
from alembic.util import CommandError
from mlflow.exceptions import MlflowException
from mlflow.server import handlers
from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry
from mlflow.store.db.utils import _initialize_tables, _upgrade_db
from mlflow.tracking import MlflowClient
from sqlalchemy import create_engine, event, text
from starlette.responses import Response, StreamingResponse
from werkzeug.local import LocalProxy
from werkzeug.wrappers import Response as WerkzeugResponse

from mlflow_azureml_backend.emulator.errors import ServiceError
from mlflow_azureml_backend.emulator.mlflow_stores import (
    CURRENT,
    BlobArtifacts,
    WorkspaceStores,
    WorkspaceTracking,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from contextvars import Context
    from pathlib import Path

    from mlflow_azureml_backend.emulator.blob_store import BlobStore
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.routing import Call

_NO_BODY: Final = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


class MlflowServer:
    """Serve MLflow's REST API and UI for any number of workspaces.

    Each workspace has a SQLite database of its own, copied from one that was migrated once: a new
    workspace costs milliseconds.

    Args:
        root: the folder of the databases; made when it is missing.
        region: the Azure region, which names the host in artifact URIs.
        blobs: the storage accounts, in which the artifacts lie.
    """

    def __init__(self, *, root: Path, region: str, blobs: BlobStore) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root
        self._region = region
        self._blobs = blobs
        self._lock = threading.Lock()
        self._stores: dict[WorkspaceKey, WorkspaceStores] = {}
        # Another MLflow has another schema.
        self._template = root / f"template-{mlflow.__version__}.db"
        if not self._template.exists():
            self._make_template()
        _serve_current_workspace()
        # Alembic says at every opening of a database which dialect it speaks.
        logging.getLogger("alembic").setLevel(logging.WARNING)

    def stores(self, workspace: WorkspaceKey) -> WorkspaceStores:
        """Give the stores of a workspace, made when it has none yet."""
        with self._lock:
            found = self._stores.get(workspace)
            if found is None:
                found = self._stores[workspace] = self._open(workspace)
            return found

    def answer(
        self, workspace: WorkspaceKey, call: Call, *, path: str, mounted_at: str = ""
    ) -> Response:
        """Answer a request; see `Tracking.answer`."""
        # The application runs in a context of its own, in which `CURRENT` is this workspace, and
        # so does what produces the body piece by piece after this method has returned.
        context = copy_context()
        context.run(CURRENT.set, self.stores(workspace))
        environ = _environ(call, path, mounted_at)
        answer = context.run(WerkzeugResponse.from_app, mlflow.server.app, environ)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if answer.status_code in _NO_BODY or call.method == "HEAD":
            answer.close()
            return Response(status_code=answer.status_code, headers=headers)
        return StreamingResponse(
            _pieces(context, answer), status_code=answer.status_code, headers=headers
        )

    def close(self) -> None:
        """Close the databases."""
        with self._lock:
            for stores in self._stores.values():
                stores.tracking.engine.dispose()
                stores.registry.engine.dispose()
            self._stores.clear()

    def _open(self, workspace: WorkspaceKey) -> WorkspaceStores:
        file = self._root / f"{workspace.guid}.db"
        if not file.exists():
            spool = file.with_suffix(".new")
            shutil.copyfile(self._template, spool)
            spool.replace(file)
        uri = f"sqlite:///{file}"
        host = f"{self._region}.api.azureml.ms"
        # From here azureml-mlflow reads subscription, group, workspace, experiment and run.
        artifacts = f"azureml://{host}/mlflow/v2.0{workspace.arm_id}/experiments"
        try:
            tracking = _opened(uri, artifacts)
        except CommandError as error:
            raise ServiceError(
                409,
                "UserError",
                f"MLflow {mlflow.__version__} cannot read the tracking database {file}: a newer "
                "MLflow has written it. Install that one again, or start the emulator with "
                "another state directory.",
            ) from error
        return WorkspaceStores(
            tracking=tracking,
            registry=registry_module.SqlAlchemyStore(uri),
            blobs=self._blobs,
            account=workspace.storage_account,
        )

    def _make_template(self) -> None:
        spool = self._template.with_suffix(".new")
        spool.unlink(missing_ok=True)
        engine = create_engine(f"sqlite:///{spool}")
        # It counts when it is in its place, so its hundreds of changes need not reach the disk
        # one by one.
        event.listen(engine, "connect", _write_lazily)
        with _logging_kept():
            _initialize_tables(engine)
        with engine.connect() as connection:
            # Readers and the writer do not wait for each other. The mode stays with the file.
            connection.execute(text("PRAGMA journal_mode = WAL"))
        engine.dispose()
        with spool.open("rb+") as written:
            os.fsync(written.fileno())
        spool.replace(self._template)


def _write_lazily(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous = OFF")


def _serve_current_workspace() -> None:
    """Make MLflow's one application look up its stores for each request anew."""
    # `handlers` caches its two stores in these globals, and asks nobody once they are set: neither
    # the environment nor a tracking URI decides where a workspace's data go.
    handlers._tracking_store = LocalProxy(CURRENT, "tracking")  # noqa: SLF001
    handlers._model_registry_store = LocalProxy(CURRENT, "registry")  # noqa: SLF001
    # The registry of MLflow 3 asks the *process's* tracking server for logged models.
    registry_module.MlflowClient = _client_of_current_workspace
    _artifact_repository_registry.register("azureml", BlobArtifacts)
    # MLflow's own host and cross-origin checks know only localhost; ours stand at the front.
    mlflow.server.app.before_request_funcs.clear()
    mlflow.server.app.after_request_funcs.clear()


def _client_of_current_workspace() -> Any:
    """Give what knows the logged models: outside of a request, whatever MLflow would ask."""
    stores = CURRENT.get(None)
    return MlflowClient() if stores is None else stores.tracking


def _environ(call: Call, path: str, mounted_at: str) -> dict[str, Any]:
    """Write a request down as PEP 3333 wants it."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": call.method,
        "SCRIPT_NAME": _latin(mounted_at),
        "PATH_INFO": _latin(path),
        "QUERY_STRING": call.raw_query,
        "SERVER_NAME": call.host,
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(call.body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(call.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in call.headers.items():
        if name == "content-type":
            environ["CONTENT_TYPE"] = value
        elif name not in {"content-length", "authorization", "cookie"}:
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    return environ


def _latin(path: str) -> str:
    return path.encode().decode("latin-1")


def _pieces(context: Context, answer: WerkzeugResponse) -> Iterator[bytes]:
    body: Iterable[bytes] = answer.iter_encoded()
    iterator = iter(body)
    try:
        while (piece := context.run(next, iterator, None)) is not None:
            yield piece
    finally:
        context.run(answer.close)


def _opened(uri: str, artifacts: str) -> WorkspaceTracking:
    """Open a database, brought up to date when it is from before MLflow was upgraded."""
    with _logging_kept():
        try:
            return WorkspaceTracking(uri, artifacts)
        except MlflowException:
            engine = create_engine(uri)
            _upgrade_db(engine)
            engine.dispose()
            return WorkspaceTracking(uri, artifacts)


@contextmanager
def _logging_kept() -> Iterator[None]:
    """Undo what the migrations of older MLflow do to the logging of the whole process."""
    root = logging.getLogger()
    handlers_, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers_
        root.setLevel(level)

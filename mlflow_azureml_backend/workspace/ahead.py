"""What every submission asks and reads, begun before it is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_azureml_backend.background import begin
from mlflow_azureml_backend.workspace.access import connect

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from mlflow_azureml_backend.job import JobSpec, WorkspaceRef
    from mlflow_azureml_backend.workspace.snapshot import LocalSnapshot, SnapshotFile


def look_ahead(
    ref: WorkspaceRef,
    spec: JobSpec,
    *,
    wants_gpu: bool,
    files: Sequence[SnapshotFile] | None = None,
) -> Future[LocalSnapshot]:
    """Begin in the background what every submission asks and reads; nothing is created.

    What is answered is remembered: who asks later is told at once, or waits for the same answer. So
    signing in, which can take a second and more, and reading the project go on side by side.

    Args:
        ref: The workspace.
        spec: The job.
        wants_gpu: As `Workspace.check` takes it.
        files: The files of the job's code, where they have been listed already.

    Returns:
        The job's code, as it is on this machine.
    """
    from mlflow_azureml_backend.workspace.snapshot import read_snapshot

    snapshot = begin(lambda: read_snapshot(spec.code, exclude=spec.snapshot.exclude, files=files))

    def look() -> None:
        workspace = connect(ref)
        workspace.check(spec, wants_gpu=wants_gpu)
        workspace.holds(snapshot.result())

    begin(look)
    return snapshot

"""The engine of an emulator: runs the jobs that were submitted, also across its restarts."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.jobs.definition import cluster_of
from mlflow_azureml_backend.emulator.jobs.nodes import Nodes
from mlflow_azureml_backend.emulator.jobs.pace import Paces
from mlflow_azureml_backend.emulator.jobs.pipeline_worker import PipelineWorker
from mlflow_azureml_backend.emulator.jobs.sweep_worker import SweepWorker
from mlflow_azureml_backend.emulator.jobs.worker import Worker
from mlflow_azureml_backend.emulator.resources import WorkspaceKey
from mlflow_azureml_backend.emulator.runtimes import runtime_named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.emulation import Emulation
    from mlflow_azureml_backend.emulator.jobs.driver import Driver
    from mlflow_azureml_backend.emulator.jobs.parent_worker import ParentWorker
    from mlflow_azureml_backend.emulator.runtimes import Runtime

_KIND: Final = "active-job"
_EVERYWHERE: Final = ""  # these documents are the engine's own, across all workspaces
_SHUTDOWN_SECONDS: Final = 15.0
_PARENTS: Final[Mapping[str, type[ParentWorker[Any]]]] = {
    "Sweep": SweepWorker,
    "Pipeline": PipelineWorker,
}


class JobEngine:
    """Run jobs, each driven by a worker of its own.

    A new engine takes up the jobs that an engine before it left: those whose process still runs
    are watched on, those whose process ended meanwhile end by its status code, those whose process
    was lost fail as after the loss of a node, and those that had none yet begin again.

    Args:
        emulation: the emulator; its `jobs` need not be set yet.
        runtime: builds the environments of jobs; None for the one that the settings name.
    """

    def __init__(self, emulation: Emulation, runtime: Runtime | None = None) -> None:
        self._emulation = emulation
        self._nodes = Nodes()
        self._runtime = runtime or runtime_named(
            emulation.settings.runtime, emulation.settings.root / "environments"
        )
        self._lock = threading.Lock()
        self._workers: dict[str, Driver] = {}
        self.changed = threading.Condition()
        """Is notified whenever a job has ended."""
        self._stopping = False
        self.paces = Paces(emulation.state, emulation.settings.dwell_seconds)
        oldest_first = reversed(emulation.state.list(_KIND, _EVERYWHERE))
        found = [
            self._worker(WorkspaceKey(**document.body["workspace"]), document.body["job"])
            for document in oldest_first
        ]
        workers = [worker for worker in found if worker is not None]
        # All of them have their nodes again, or their place in line, before any of them goes on.
        for worker in workers:
            worker.keep_place()
        for worker in workers:
            worker.start()

    def enlist(self, workspace: WorkspaceKey, name: str) -> None:
        """Note that a job is to run, also when this emulator ends before it can run it.

        Args:
            workspace: the job's workspace.
            name: the job's name.
        """
        body = {
            "workspace": {
                "subscription_id": workspace.subscription_id,
                "resource_group": workspace.resource_group,
                "name": workspace.name,
            },
            "job": name,
        }
        self._emulation.state.put(_KIND, _EVERYWHERE, _key(workspace, name), "", body)

    def busy_nodes(self, workspace: WorkspaceKey, compute: str) -> int:
        """Count the nodes of a cluster on which jobs run.

        Args:
            workspace: the cluster's workspace.
            compute: its name.
        """
        return self._nodes.busy(cluster_of(workspace, compute))

    def submit(self, workspace: WorkspaceKey, name: str) -> None:
        """Begin to run a job; returns at once.

        Args:
            workspace: the job's workspace.
            name: the job's name; its document is there already, at Starting.
        """
        self.enlist(workspace, name)
        worker = self._worker(workspace, name)
        if worker is not None:
            worker.start()

    def cancel(self, workspace: WorkspaceKey, name: str) -> bool:
        """Ask a job to end as Canceled; returns at once.

        Args:
            workspace: the job's workspace.
            name: the job's name.

        Returns:
            False when it has ended.
        """
        worker = self.worker(workspace, name)
        return worker is not None and worker.course.cancel()

    def worker(self, workspace: WorkspaceKey, name: str) -> Driver | None:
        """Give what drives a job; None when it has ended.

        Args:
            workspace: the job's workspace.
            name: the job's name.
        """
        with self._lock:
            return self._workers.get(_key(workspace, name))

    def running(self) -> int:
        """Say how many jobs have not ended."""
        with self._lock:
            return len(self._workers)

    def shutdown(self) -> None:
        """Stop driving jobs; their processes go on, for the next engine to take up."""
        with self._lock:
            self._stopping = True
            workers = tuple(self._workers.values())
        for worker in workers:
            worker.course.suspend()
        # After the workers know: none of them takes the end of a build for its job's failure.
        self._runtime.close()
        deadline = time.monotonic() + _SHUTDOWN_SECONDS
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))

    def _worker(self, workspace: WorkspaceKey, name: str) -> Driver | None:
        """Make what drives a job; None when it is driven already, or not to be driven."""
        known_as = _key(workspace, name)
        with self._lock:
            # An engine that stops leaves a job submitted just now to the next one.
            if self._stopping or known_as in self._workers:
                return None
            job = self._emulation.state.get("job", workspace.storage_key, name)
            if job is None:
                self._forget(known_as)
                return None
            forget, release = partial(self._forget, known_as), partial(self._release, known_as)
            common = (self.paces, workspace, name)
            worker: Driver
            if parent := _PARENTS.get(job.body["jobType"]):
                worker = parent(self._emulation, self, *common, on_end=forget, on_exit=release)
            else:
                folder = self._emulation.settings.root / "jobs" / workspace.guid / name
                worker = Worker(
                    self._emulation,
                    self._runtime,
                    self._nodes,
                    *common,
                    folder=folder,
                    on_end=forget,
                    on_exit=release,
                )
            self._workers[known_as] = worker
        return worker

    def _forget(self, known_as: str) -> None:
        self._emulation.state.delete(_KIND, _EVERYWHERE, known_as)

    def _release(self, known_as: str) -> None:
        with self._lock:
            self._workers.pop(known_as, None)
        with self.changed:
            self.changed.notify_all()


def _key(workspace: WorkspaceKey, name: str) -> str:
    return f"{workspace.storage_key}/jobs/{name}"

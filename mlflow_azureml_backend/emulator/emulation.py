"""What one emulator is made of: its settings, and the parts that all its routes share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlflow_azureml_backend.emulator.faults.plan import FaultPlan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mlflow_azureml_backend.emulator.blob_store import BlobStore
    from mlflow_azureml_backend.emulator.identity import Issuer
    from mlflow_azureml_backend.emulator.jobs.engine import JobEngine
    from mlflow_azureml_backend.emulator.journal import Journal
    from mlflow_azureml_backend.emulator.state import State
    from mlflow_azureml_backend.emulator.tracking import Tracking


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Say how an emulator behaves; chosen once, when it starts.

    Args:
        root: the directory that holds everything this emulator keeps.
        region: the Azure region its workspaces claim to be in.
        runtime: what jobs run in: `venv` and `conda` build each job's environment, `docker` runs
            its image, `host` uses the interpreter of the emulator.
        idle_seconds: seconds without requests and without running jobs after which the emulator
            ends itself; None keeps it for ever.
        dwell_seconds: seconds a job stays in each transitional status before the next.
        record: a file to which every exchange with the services is written; None writes none.
        pass_through: its proxy also leads to hosts that are not Azure's; otherwise it refuses them.
    """

    root: Path
    region: str = "eastus"
    runtime: str = "venv"
    idle_seconds: float | None = 1800.0
    dwell_seconds: float = 0.3
    record: Path | None = None
    pass_through: bool = True


@dataclass(slots=True, kw_only=True)
class Emulation:
    """Hold the parts of a running emulator together; built once, in `server.py`.

    Args:
        settings: how it behaves.
        state: the documents of its workspaces.
        blobs: the storage accounts of its workspaces.
        identity: the tenant it signs tokens for.
        tracking: the MLflow tracking server of its workspaces.
        address: `http://127.0.0.1:PORT` of the front: the CONNECT proxy, and plain http for
            health, administration and the studio page.
        ca_bundle: a PEM file of the public roots and of the emulator's own authority.
        request_stop: begin an orderly end of this emulator; returns at once.
        faults: what goes wrong between clients and services.
        journal: what was asked; set before the first request.
        jobs: the engine that runs jobs; set last, because it is made from this object.
    """

    settings: Settings
    state: State
    blobs: BlobStore
    identity: Issuer
    tracking: Tracking
    address: str
    ca_bundle: Path
    request_stop: Callable[[], None]
    faults: FaultPlan = field(default_factory=FaultPlan)
    journal: Journal = field(init=False)
    jobs: JobEngine = field(init=False)

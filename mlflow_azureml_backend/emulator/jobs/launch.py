"""The last steps before a job runs: its environment, its folder, and its process."""

from __future__ import annotations

import os
import shutil
import threading
from concurrent.futures import Future
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.jobs.expressions import resolve
from mlflow_azureml_backend.emulator.jobs.failure import LOG, JobFailure, build_failed
from mlflow_azureml_backend.emulator.jobs.job_environment import (
    Node,
    RunIdentity,
    job_environment,
)
from mlflow_azureml_backend.emulator.jobs.process import JobProcess
from mlflow_azureml_backend.emulator.runtimes import BuildError

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow_azureml_backend.emulator.emulation import Emulation
    from mlflow_azureml_backend.emulator.jobs.bindings import Binder
    from mlflow_azureml_backend.emulator.jobs.definition import JobDefinition
    from mlflow_azureml_backend.emulator.jobs.interrupt import Interrupt
    from mlflow_azureml_backend.emulator.jobs.record import JobRecord
    from mlflow_azureml_backend.emulator.runtimes import EnvironmentSpec, Interpreter, Runtime

_TOKEN_LIFETIME: Final = timedelta(days=1)
# Good for the services of the workspace, and refused by Azure Resource Manager, as in Azure.
_TOKEN_AUDIENCE: Final = "https://ml.azure.com"  # noqa: S105 (names a service, is no secret)


def prepared(
    runtime: Runtime, environment: EnvironmentSpec, log: Path, interrupt: Interrupt
) -> Interpreter | None:
    """Wait until an environment is there.

    Args:
        runtime: builds it.
        environment: what is asked for.
        log: the file the build's log is appended to.
        interrupt: ends the waiting; the build goes on, and others find the environment built.

    Returns:
        None when it was interrupted.

    Raises:
        JobFailure: the environment cannot be had.
    """
    result: Future[Interpreter] = Future()

    def build() -> None:
        try:
            with log.open("a", encoding="utf-8") as stream:
                result.set_result(runtime.prepare(environment, stream))
        except BaseException as error:  # noqa: BLE001 (whoever waits for it gets it)
            result.set_exception(error)

    done = threading.Event()
    result.add_done_callback(lambda _: done.set())
    interrupt.on_set(done.set)
    threading.Thread(target=build, name="environment", daemon=True).start()
    done.wait()
    if interrupt.is_set():
        return None
    try:
        return result.result()
    except BuildError as error:
        raise build_failed(error.explanation) from None


def launch(
    emulation: Emulation,
    record: JobRecord,
    binder: Binder,
    definition: JobDefinition,
    interpreter: Interpreter,
) -> JobProcess:
    """Make a job's folder, bring what the job reads, and start its process.

    Args:
        emulation: the emulator.
        record: where the job's log is made known.
        binder: moves the job's data.
        definition: what the job is to do.
        interpreter: what it runs in.

    Raises:
        JobFailure: something it reads is not there, or this is Windows.
    """
    if not hasattr(os, "mkfifo"):
        raise JobFailure("The emulator runs jobs on Linux and macOS, not on Windows.")
    folder = binder.folder
    shutil.rmtree(folder, ignore_errors=True)
    node = Node(
        bin=interpreter.bin,
        home=folder / "home",
        temporary=folder / "tmp",
        proxy=emulation.address,
        ca_bundle=emulation.ca_bundle,
    )
    node.home.mkdir(parents=True)
    node.temporary.mkdir()
    bindings = binder.bring(definition.code_uri, definition.inputs, definition.outputs)
    command = resolve(definition.command, bindings.values)
    return JobProcess.start(
        folder,
        command,
        directory=binder.working_directory,
        environment=job_environment(
            _identity(emulation, record, definition),
            node,
            interpreter=interpreter.variables,
            bindings=bindings.variables,
            user=definition.variables,
        ),
        log=record.open_log(LOG),
    )


def _identity(emulation: Emulation, record: JobRecord, definition: JobDefinition) -> RunIdentity:
    identity = emulation.identity
    token = identity.token(
        subject=identity.client_id,
        audience=_TOKEN_AUDIENCE,
        lifetime=_TOKEN_LIFETIME,
        claims={"runId": record.name},
    )
    return RunIdentity(
        workspace=record.workspace,
        region=emulation.settings.region,
        run_id=record.name,
        experiment_id=str(record.run["experimentId"]),
        experiment_name=definition.experiment_name,
        token=token,
        token_expiry=datetime.now(timezone.utc) + _TOKEN_LIFETIME,
    )

"""The last steps before a job runs: its environment, its folder, and its processes."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.jobs.expressions import resolve
from mlflow_azureml_backend.emulator.jobs.failure import JobFailure, build_failed
from mlflow_azureml_backend.emulator.jobs.job_environment import (
    Node,
    RunIdentity,
    job_environment,
)
from mlflow_azureml_backend.emulator.jobs.process import JobProcess
from mlflow_azureml_backend.emulator.jobs.process_group import Member, ProcessGroup
from mlflow_azureml_backend.emulator.jobs.read_only import bound_by_permissions
from mlflow_azureml_backend.emulator.jobs.storage import remove_folder
from mlflow_azureml_backend.emulator.runtimes import BuildError, Placement

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
                stream.write(f"The job runs in the emulator's runtime '{runtime.name}'.\n")
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
) -> ProcessGroup:
    """Make a job's folder, bring what the job reads, and start its processes.

    Args:
        emulation: the emulator.
        record: where the job's logs are made known.
        binder: moves the job's data.
        definition: what the job is to do.
        interpreter: what it runs in.

    Raises:
        JobFailure: something it reads is not there, or this is Windows.
    """
    if not hasattr(os, "mkfifo"):
        raise JobFailure("The emulator runs jobs on Linux and macOS, not on Windows.")
    folder = binder.folder
    remove_folder(folder)
    ranks = definition.layout.ranks()
    bindings = binder.bring(
        definition.code_uri, definition.inputs, definition.outputs, definition.layout.nodes
    )
    mounted = any(body.get("mode") == "ReadOnlyMount" for body in definition.inputs.values())
    identity = _identity(emulation, record, definition)
    starts = []
    for rank in ranks:
        node = _node(emulation, binder.node_folder(rank.node), interpreter)
        bound = bindings[rank.node]
        variables = job_environment(
            identity,
            node,
            interpreter=interpreter.variables,
            bindings=bound.variables,
            user={**rank.variables, **definition.variables},
        )
        placement = Placement(
            name=f"{record.workspace.guid}-{record.name}-{rank.number}",
            folder=folder,
            directory=binder.working_directory(rank.node),
            variables=variables,
            shm_size=definition.shm_size,
            docker_args=definition.docker_args,
        )
        command = rank.command
        if command is None:
            command = f"{rank.preamble}{resolve(definition.command, bound.values)}"
        argv = interpreter.argv(command, placement)
        starts.append((bound_by_permissions(argv) if mounted else argv, placement))
    logs = [record.open_log(rank.log) for rank in ranks]

    def start(number: int, place: Path) -> JobProcess:
        argv, placement = starts[number]
        return JobProcess.start(
            place,
            argv,
            directory=placement.directory,
            environment=placement.variables,
            log=logs[number],
        )

    members = [Member(log=rank.log, auxiliary=rank.auxiliary) for rank in ranks]
    return ProcessGroup.start(folder, members, start)


def _node(emulation: Emulation, folder: Path, interpreter: Interpreter) -> Node:
    node = Node(
        bin=interpreter.bin,
        home=folder / "home",
        temporary=folder / "tmp",
        proxy=emulation.address,
        ca_bundle=emulation.ca_bundle,
    )
    node.home.mkdir(parents=True, exist_ok=True)
    node.temporary.mkdir(exist_ok=True)
    return node


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
        root_run_id=record.run.get("rootRunId") or record.name,
        experiment_id=str(record.run["experimentId"]),
        experiment_name=definition.experiment_name,
        token=token,
        token_expiry=datetime.now(timezone.utc) + _TOKEN_LIFETIME,
        identity=(record.properties.get("identity") or {}).get("identityType"),
        address=emulation.address,
    )

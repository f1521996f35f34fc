"""The processes of a job: how many, on which node, and what each finds set, as the service does."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.jobs.failure import LOG, JobFailure
from mlflow_azureml_backend.emulator.jobs.ray_cluster import head_preamble, worker_command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_PROCESSES: Final = 64
"""How many processes one job may have: they all share this machine."""

_HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """Describe one process of a job.

    Args:
        number: its number among all of the job's processes.
        local: its number among those of its node.
        node: the number of its node.
        variables: what the distribution sets for it.
        log: its log, below the folder of the run.
        preamble: what bash does before the job's command.
        command: what it runs in place of the job's command; None runs the job's command.
        auxiliary: it serves the others: it is ended when they have ended, whatever its status.
    """

    number: int
    local: int
    node: int
    variables: Mapping[str, str]
    log: str
    preamble: str = ""
    command: str | None = None
    auxiliary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Say which processes a job has, before any of them has an address.

    Args:
        kind: `Mpi`, `PyTorch`, `TensorFlow` or `Ray`; None without a distribution.
        nodes: the number of nodes.
        per_node: processes on each node; of TensorFlow it says nothing.
        workers: TensorFlow's workers.
        servers: TensorFlow's parameter servers.
        options: the distribution as the job says it.
    """

    kind: str | None
    nodes: int
    per_node: int
    workers: int
    servers: int
    options: Mapping[str, Any]

    @property
    def processes(self) -> int:
        """Say how many processes there are."""
        return (
            self.workers + self.servers
            if self.kind == "TensorFlow"
            else self.nodes * (self.per_node)
        )

    def ranks(self, free_port: Callable[[], int] | None = None) -> tuple[Rank, ...]:
        """Describe every process; ports are chosen now.

        Args:
            free_port: gives a port of the loopback nobody listens at; None asks the system.
        """
        free_port = free_port or _free_port
        if self.kind == "TensorFlow":
            return self._tensorflow(free_port)
        if self.kind == "Ray":
            return self._ray(free_port)
        port = free_port() if self.kind == "PyTorch" else 0
        return tuple(
            Rank(
                number=number,
                local=number % self.per_node,
                node=number // self.per_node,
                variables=self._variables(number, port),
                log=_log(number, self.processes),
            )
            for number in range(self.processes)
        )

    def _variables(self, number: int, port: int) -> Mapping[str, str]:
        node, local = divmod(number, self.per_node)
        if self.kind == "PyTorch":
            return {
                "MASTER_ADDR": _HOST,
                "MASTER_PORT": str(port),
                "WORLD_SIZE": str(self.processes),
                "NODE_RANK": str(node),
                "RANK": str(number),
                "LOCAL_RANK": str(local),
            }
        if self.kind == "Mpi":
            return {
                "OMPI_COMM_WORLD_SIZE": str(self.processes),
                "OMPI_COMM_WORLD_RANK": str(number),
                "OMPI_COMM_WORLD_LOCAL_SIZE": str(self.per_node),
                "OMPI_COMM_WORLD_LOCAL_RANK": str(local),
                "OMPI_COMM_WORLD_NODE_RANK": str(local),
                "OMPI_UNIVERSE_SIZE": str(self.processes),
            }
        return {}

    def _tensorflow(self, free_port: Callable[[], int]) -> tuple[Rank, ...]:
        tasks = [("worker", index) for index in range(self.workers)]
        tasks += [("ps", index) for index in range(self.servers)]
        cluster: dict[str, list[str]] = {}
        for kind, _ in tasks:
            cluster.setdefault(kind, []).append(f"{_HOST}:{free_port()}")
        taken = [0] * self.nodes
        ranks = []
        for number, (kind, index) in enumerate(tasks):
            node = index % self.nodes
            task = {"type": kind, "index": index}
            config = {"cluster": cluster, "task": task, "environment": "cloud"}
            log = _log(index, len(tasks), "_ps" if kind == "ps" else "")
            ranks.append(
                Rank(
                    number=number,
                    local=taken[node],
                    node=node,
                    variables={"TF_CONFIG": json.dumps(config)},
                    log=log,
                    auxiliary=kind == "ps",
                )
            )
            taken[node] += 1
        return tuple(ranks)

    def _ray(self, free_port: Callable[[], int]) -> tuple[Rank, ...]:
        port = int(self.options.get("port") or free_port())
        address = f"{self.options.get('address') or _HOST}:{port}"
        return tuple(
            Rank(
                number=node,
                local=0,
                node=node,
                variables={"RAY_ADDRESS": address},
                log=_log(node, self.nodes),
                preamble="" if node else head_preamble(port, self.options),
                command=worker_command(address, self.options) if node else None,
                auxiliary=node > 0,
            )
            for node in range(self.nodes)
        )


def read_layout(job: Mapping[str, Any]) -> Layout:
    """Read which processes a job has.

    Args:
        job: the properties of the job's resource.

    Raises:
        JobFailure: its numbers make no sense, are too large for one machine, or its distribution
            is none that the emulator knows.
    """
    options = job.get("distribution") or {}
    kind = options.get("distributionType")
    if kind not in {None, "Mpi", "PyTorch", "TensorFlow", "Ray"}:
        raise JobFailure(
            f"The emulator does not know the distribution '{kind}'; it knows Mpi, PyTorch, Ray "
            "and TensorFlow."
        )
    nodes = read_nodes(job)
    layout = Layout(
        kind=kind,
        nodes=nodes,
        per_node=_number(options, "processCountPerInstance", 1, least=1),
        workers=_number(options, "workerCount", nodes, least=1),
        servers=_number(options, "parameterServerCount", 0, least=0),
        options=options,
    )
    if layout.processes > MAX_PROCESSES:
        raise JobFailure(
            f"The job asks for {layout.processes} processes, and the emulator starts "
            f"{MAX_PROCESSES} at most for one job. Lower resources.instance_count or the "
            "distribution's number of processes."
        )
    return layout


def read_nodes(job: Mapping[str, Any]) -> int:
    """Say how many nodes a job asks for.

    Args:
        job: the properties of the job's resource.

    Raises:
        JobFailure: less than one.
    """
    return _number(job.get("resources") or {}, "instanceCount", 1, least=1)


def _number(options: Mapping[str, Any], name: str, default: int, *, least: int) -> int:
    given = options.get(name)
    number = default if given is None else int(given)
    if number < least:
        raise JobFailure(f"The job's {name} is {number}; it has to be {least} or more.")
    return number


def _log(number: int, processes: int, kind: str = "") -> str:
    return LOG if processes == 1 else f"user_logs/std_log_process_{number:02}{kind}.txt"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])

"""How a job's log reaches the screen, beside azure-ai-ml's `jobs.stream` in the same run.

Jobs print numbered lines with the time of day; each client runs in a process of its own, which
counts what it shows. The emulator answers 30 ms late. What is counted: bytes of the blobs asked
for ÷ bytes of the log, requests a minute, how long after it was printed a line is shown (mean and
95th percentile), lines lost and shown twice, the client's largest memory and its CPU seconds.

    python benchmarks/follow.py            # all cases
    python benchmarks/follow.py a e        # some of them
    python benchmarks/follow.py c --megabytes 1000

Cases: (a) 10 MB over 1 minute; (b) 4 ranks of 2 MB each; (c) 1 GB as fast as it goes; (d) 30
minutes of one line a second, on a simulated clock: both clients' own code, with time and service
replaced; (e) like (b) over half a minute while 5 % of all requests answer 503 and signed URLs live
for 10 s.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from array import array
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from mlflow_azureml_backend.emulator import lifecycle
from mlflow_azureml_backend.emulator.administration import request
from mlflow_azureml_backend.job import EMULATOR, JobDetails, JobStatus, LogPart, WorkspaceRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlflow_azureml_backend.emulator.endpoint import Endpoint

LATENCY = 0.03
PRINTER = """
import os, sys, time
rank = int(os.environ.get("RANK", 0))
lines, width, seconds = {lines}, {width}, {seconds}
while not os.path.exists(os.environ["GATE"]):
    time.sleep(0.05)
begun = time.time()
for number in range(lines):
    late = begun + number * seconds / lines - time.time()
    if late > 0:
        sys.stdout.flush()
        time.sleep(late)
    head = f"L {{rank}} {{number}} {{time.time():.3f}} "
    sys.stdout.write(head.ljust(width - 1, "x") + "\\n")
    if seconds:
        sys.stdout.flush()
"""
_LINE = re.compile(r"L (\d+) (\d+) (\d+\.\d+) ")


class Case(SimpleNamespace):
    """One case: `lines` of `width` bytes by each of `ranks` over `seconds`, with `faults`."""

    @property
    def bytes(self) -> int:
        return self.ranks * self.lines * self.width


def cases(megabytes: int) -> dict[str, Case]:
    faults = ({"status": 503, "probability": 0.05, "seed": 1}, {"sas_lifetime": 10})
    million = 1_000_000
    return {
        "a": Case(title="10 MB a minute", lines=100_000, width=100, seconds=60, ranks=1, faults=()),
        "b": Case(title="4 ranks of 2 MB", lines=20_000, width=100, seconds=30, ranks=4, faults=()),
        "c": Case(
            title=f"{megabytes} MB at once",
            lines=megabytes * 1000,
            width=million // 1000,
            seconds=0,
            ranks=1,
            faults=(),
        ),
        "e": Case(title="faults", lines=5_000, width=100, seconds=30, ranks=4, faults=faults),
    }


class Screen:
    """Stand in for stdout: see each line that is shown, and when."""

    def __init__(self, case: Case, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.case = case
        self.seen = [bytearray(case.lines) for _ in range(case.ranks)]
        self.lags = array("f")
        self.twice = 0
        self._rest = ""

    def write(self, text: str) -> int:
        now = self._clock()
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            match = _LINE.search(line)
            if match is None:
                continue
            rank, number = int(match[1]), int(match[2])
            self.twice += self.seen[rank][number]
            self.seen[rank][number] = 1
            if number % 10 == 0:
                self.lags.append(now - float(match[3]))
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False

    def figures(self) -> dict[str, Any]:
        lags = sorted(self.lags)
        return {
            "lost": sum(rank.count(0) for rank in self.seen),
            "twice": self.twice,
            "mean": sum(lags) / len(lags) if lags else None,
            "p95": lags[int(len(lags) * 0.95)] if lags else None,
        }


def ours(workspace: str, job: str) -> None:
    from mlflow_azureml_backend.follow import Follower, display_for
    from mlflow_azureml_backend.workspace import connect

    ref = WorkspaceRef.find_in(workspace)
    Follower(connect(ref), job, display_for(stream=True)).follow(lambda _details: None)


def sdk(workspace: str, job: str) -> None:
    client(WorkspaceRef.find_in(workspace)).jobs.stream(job)


def client(ref: WorkspaceRef) -> Any:
    from azure.ai.ml import MLClient
    from azure.identity import ClientSecretCredential

    endpoint = lifecycle.running(Path(os.environ["MLFLOW_AZUREML_EMULATOR_ROOT"]))
    arguments = {
        "proxies": {"https": endpoint.proxy},
        "connection_verify": endpoint.ca_file,
    }
    credential = ClientSecretCredential(
        endpoint.tenant_id, endpoint.client_id, endpoint.client_secret, **arguments
    )
    names = (ref.subscription_id, ref.resource_group, ref.workspace_name)
    return MLClient(credential, *names, enable_telemetry=False, **arguments)


CLIENTS: dict[str, Callable[[str, str], None]] = {"ours": ours, "jobs.stream": sdk}


def run_client(options: argparse.Namespace) -> None:
    """Follow one job in this process, and print what was seen."""
    case = Case(**json.loads(options.case))
    screen, stdout = Screen(case), sys.stdout
    sys.stdout = screen
    error = None
    try:
        CLIENTS[options.client](options.workspace, options.job)
    except Exception as failure:  # noqa: BLE001  # the figures of a client that gave up are figures too
        error = f"{type(failure).__name__}: {str(failure).strip().splitlines()[0]}"
    sys.stdout = stdout
    usage = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        **screen.figures(),
        "memory": usage.ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20),
        "cpu": usage.ru_utime + usage.ru_stime,
        "error": error,
    }
    print(json.dumps(figures))


def measure(endpoint: Endpoint, case: Case, name: str) -> dict[str, Any]:
    """Let a client follow the case's job from a process of its own, and count its requests."""
    ref = WorkspaceRef(
        subscription_id=EMULATOR.subscription_id,
        resource_group="follow",
        workspace_name=f"w{time.time_ns() // 1000:x}",
    )
    key = f"{ref.subscription_id}/{ref.resource_group}/{ref.workspace_name}"
    request(endpoint, "PUT", f"/_emulator/workspaces/{key}")
    with tempfile.TemporaryDirectory() as folder:
        gate = Path(folder, "gate")
        job = submit(ref, case, Path(folder), gate)
        request(endpoint, "PUT", "/_emulator/faults", body={"faults": faults_of(case, key)})
        since = newest(endpoint)
        arguments = ("--client", name, "--workspace", ref.arm_id, "--job", job)
        process = subprocess.Popen(
            [sys.executable, __file__, *arguments, "--case", json.dumps(vars(case))],
            stdout=subprocess.PIPE,
            text=True,
            # Not all of the SDK's requests heed the proxy that its client is given.
            env={**os.environ, **(lifecycle.environment(endpoint) if name != "ours" else {})},
        )
        try:
            wait_for_look(endpoint, key, since)
            since, begun = newest(endpoint), time.monotonic()
            gate.touch()
            answer, _ = process.communicate(timeout=1200)
        finally:
            process.kill()
        taken = time.monotonic() - begun
        asked = entries(endpoint, key, since)
        request(endpoint, "PUT", "/_emulator/faults", body={"faults": []})
    logs = sum(e["sent"] for e in asked if "/user_logs/" in e["path"] and e["status"] in {200, 206})
    figures = json.loads(answer.splitlines()[-1])
    return {**figures, "ratio": logs / case.bytes, "requests": len(asked) / taken * 60}


def submit(ref: WorkspaceRef, case: Case, folder: Path, gate: Path) -> str:
    from azure.ai.ml import command
    from azure.ai.ml.entities import Environment

    printer = folder / "printer.py"
    text = PRINTER.format(**{key: vars(case)[key] for key in ("lines", "width", "seconds")})
    printer.write_text(text)
    job = f"prints-{time.time_ns() // 1000:x}"
    many = {"type": "pytorch", "process_count_per_instance": case.ranks}
    client(ref).jobs.create_or_update(
        command(
            name=job,
            command=f"{sys.executable} {printer}",
            environment=Environment(image="mcr.microsoft.com/azureml/base"),
            environment_variables={"GATE": str(gate)},
            compute="cpu-cluster",
            **({"distribution": many} if case.ranks > 1 else {}),
        )
    )
    return job


def faults_of(case: Case, workspace: str) -> list[dict[str, Any]]:
    every = ({"latency": LATENCY}, *case.faults)
    return [{**fault, "workspace": workspace} for fault in every]


def newest(endpoint: Endpoint) -> int:
    since = 0
    while (page := journal(endpoint, since=since, limit=50_000))["entries"]:
        since = page["next"]
    return since


def entries(endpoint: Endpoint, workspace: str, since: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while new := (page := journal(endpoint, workspace=workspace, since=since, limit=1000))[
        "entries"
    ]:
        found += new
        since = page["next"]
    return found


def journal(endpoint: Endpoint, **query: Any) -> dict[str, Any]:
    return request(endpoint, "GET", f"/_emulator/journal?{urlencode(query)}", seconds=60)


def wait_for_look(endpoint: Endpoint, workspace: str, since: int) -> None:
    """Wait until the client follows: before that, no line could be shown in time."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        looks = [e for e in entries(endpoint, workspace, since) if e["path"].endswith("/details")]
        if any(look["status"] == 200 for look in looks):
            return
        time.sleep(0.2)
    raise TimeoutError("The client did not begin to follow.")


class SimulatedJob:
    """Half an hour of one line a second: a service for both clients, and the clock they live by."""

    SECONDS = 1800
    PATH = "user_logs/std_log.txt"

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.begun = self.now
        self.sent = self.asked = 0
        self.case = Case(lines=self.SECONDS, width=100, ranks=1)

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def log(self) -> bytes:
        count = min(int(self.now - self.begun), self.SECONDS)
        lines = (f"L 0 {n} {self.begun + n + 1:.3f} ".ljust(99, "x") for n in range(count))
        return "".join(f"{line}\n" for line in lines).encode()

    def details(self, _job: str = "", *, brief: bool = False) -> JobDetails:
        del brief
        self.asked += 1
        over = self.now - self.begun > self.SECONDS + 2
        status = JobStatus.COMPLETED if over else JobStatus.RUNNING
        return JobDetails(status=status, log_files={self.PATH: self.PATH})

    def read_log(self, _url: str, *, offset: int, size: int) -> LogPart:
        self.asked += 1
        whole = self.log()
        data = whole[offset : offset + size]
        self.sent += len(data)
        return LogPart(data=data, size=len(whole))


def simulate(name: str) -> dict[str, Any]:
    job = SimulatedJob()
    screen, stdout = Screen(job.case, job.time), sys.stdout
    cpu = time.process_time()
    sys.stdout = screen
    try:
        (simulate_ours if name == "ours" else simulate_sdk)(job)
    finally:
        sys.stdout = stdout
    minutes = (job.now - job.begun) / 60
    return {
        **screen.figures(),
        "ratio": job.sent / (job.SECONDS * 100),
        "requests": job.asked / minutes,
        "memory": None,
        "cpu": time.process_time() - cpu,
        "error": None,
    }


def simulate_ours(job: SimulatedJob) -> None:
    from mlflow_azureml_backend.follow import Follower, display_for

    display = display_for(stream=True, quiet=True)
    Follower(job, "job", display, pause=job.sleep, clock=job.time).follow(lambda _details: None)


def simulate_sdk(job: SimulatedJob) -> None:
    """Run the SDK's own loop; its clock, its look at the run and its download are replaced."""
    from azure.ai.ml.operations import _job_ops_helper as helper

    def details(_name: str) -> Any:
        seen = job.details()
        return SimpleNamespace(
            status=seen.status.value, log_files=dict(seen.log_files), warnings=None, error=None
        )

    def download(*_arguments: Any, **_options: Any) -> str:
        whole = job.log()
        job.asked += 1
        job.sent += len(whole)
        return whole.decode()

    helper.time = SimpleNamespace(time=job.time, sleep=job.sleep)
    helper.download_text_from_url = download
    helper.create_requests_pipeline_with_retry = lambda **_options: None
    properties = SimpleNamespace(job_type="Command", services={}, properties={})
    helper.stream_logs_until_completion(
        SimpleNamespace(get_run_details=details),
        SimpleNamespace(name="job", properties=properties),
        requests_pipeline=None,
    )


HEADS = ("bytes ÷ log", "requests/min", "mean lag s", "p95 lag s", "lost", "twice", "MB", "CPU s")
FIELDS = ("ratio", "requests", "mean", "p95", "lost", "twice", "memory", "cpu")


def show(title: str, name: str, figures: dict[str, Any]) -> None:
    def written(value: Any) -> str:
        if value is None:
            return "-"
        return f"{value:.2f}" if isinstance(value, float) else str(value)

    cells = "".join(f"{written(figures[field]):>13}" for field in FIELDS)
    print(f"{title:<16}{name:<12}{cells}  {figures['error'] or ''}", flush=True)


@contextmanager
def emulator() -> Iterator[Endpoint]:
    """Run an emulator on a root of its own."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        os.environ["MLFLOW_AZUREML_EMULATOR_ROOT"] = str(root)
        try:
            yield lifecycle.start(root, runtime="host", dwell_seconds=0, idle_seconds=3600)
        finally:
            lifecycle.stop(root)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list("abcde"))
    parser.add_argument("--megabytes", type=int, default=1000, help="of case c")
    parser.add_argument("--only", choices=CLIENTS, help="one client alone")
    for name in ("client", "workspace", "job", "case"):  # what the processes of clients are told
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        run_client(options)
        return
    names = [options.only] if options.only else list(CLIENTS)
    print(f"{'case':<16}{'client':<12}{''.join(f'{head:>13}' for head in HEADS)}")
    known = cases(options.megabytes)
    with emulator() as endpoint:
        for letter in options.cases:
            for name in names:
                if letter == "d":
                    show("d) 30 min, sim.", name, simulate(name))
                else:
                    case = known[letter]
                    with suppress(BrokenPipeError):
                        show(f"{letter}) {case.title}", name, measure(endpoint, case, name))


if __name__ == "__main__":
    main()

"""How the emulator's job engine bears up: many jobs at once, many jobs before, and a long log.

Each part prints its figures; the ratios are of one and the same run, so that they mean something
on a busy machine too. Jobs run in the runtime `host`, so that no environment is built.

    python benchmarks/emulator_jobs.py throughput --jobs 200 --clients 16
    python benchmarks/emulator_jobs.py growth --jobs 1000
    python benchmarks/emulator_jobs.py memory --megabytes 1000
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from mlflow_azureml_backend.emulator import lifecycle
from mlflow_azureml_backend.emulator.administration import request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.emulator.endpoint import Endpoint

ENDED = ("Completed", "Failed", "Canceled")
SECONDS = 600.0
PAGE = 50
TURNS = 30


class Workspace:
    """A workspace of an emulator, asked by plain requests."""

    def __init__(self, endpoint: Endpoint) -> None:
        key = f"{uuid.uuid4()}/benchmarks/w{uuid.uuid4().hex[:8]}"
        subscription, group, name = key.split("/")
        request(endpoint, "PUT", f"/_emulator/workspaces/{key}")
        self.endpoint = endpoint
        self.arm_id = (
            f"/subscriptions/{subscription}/resourceGroups/{group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{name}"
        )
        self._local = threading.local()
        self._token = self._sign_in()
        environment = {"properties": {"image": "mcr.microsoft.com/azureml/base"}}
        self.ask("PUT", "/environments/plain/versions/1", environment)

    def ask(self, method: str, path: str, body: object = None) -> dict:
        """Send a request to Azure Resource Manager, on this thread's own connection."""
        url = f"https://management.azure.com{self.arm_id}{path}"
        answer = self._session().request(
            method, url, json=body, params={"api-version": "2024-04-01"}, timeout=SECONDS
        )
        answer.raise_for_status()
        return answer.json()

    def submit(self, name: str, command: str = "echo done", compute: str | None = None) -> None:
        """Submit a job; without a compute it is serverless, so that it waits for no node."""
        job = {
            "jobType": "Command",
            "command": command,
            "environmentId": f"{self.arm_id}/environments/plain/versions/1",
            "computeId": compute and f"{self.arm_id}/computes/{compute}",
        }
        self.ask("PUT", f"/jobs/{name}", {"properties": job})

    def status(self, name: str) -> str:
        """Give the status of a job."""
        return self.ask("GET", f"/jobs/{name}")["properties"]["status"]

    def end_of(self, name: str, every: float = 0.1) -> str:
        """Give the status that a job ends at."""
        while (status := self.status(name)) not in ENDED:
            time.sleep(every)
        return status

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            session = self._local.session = requests.Session()
            session.trust_env = False
            session.proxies = {"https": self.endpoint.proxy}
            session.verify = self.endpoint.ca_file
            session.headers["Authorization"] = f"Bearer {self._token}"
        return self._local.session

    def _sign_in(self) -> str:
        answer = requests.post(
            f"{self.endpoint.authority}/{self.endpoint.tenant_id}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": self.endpoint.client_id,
                "client_secret": self.endpoint.client_secret,
                "scope": "https://management.azure.com/.default",
            },
            proxies={"https": self.endpoint.proxy},
            verify=self.endpoint.ca_file,
            timeout=SECONDS,
        )
        return answer.json()["access_token"]


def throughput(workspace: Workspace, jobs: int, clients: int) -> None:
    """Submit jobs from many threads, and wait for the end of each."""
    threads: list[int] = []

    def one(number: int) -> tuple[float, str]:
        begun = time.perf_counter()
        workspace.submit(f"job-{number}", compute="cpu-cluster")
        submitted = time.perf_counter() - begun
        threads.append(_proc(workspace.endpoint.pid, "Threads"))
        return submitted, f"job-{number}"

    begun = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        submitted = list(pool.map(one, range(jobs)))
        accepted = time.perf_counter() - begun
        ends = list(pool.map(lambda found: workspace.end_of(found[1]), submitted))
    taken = time.perf_counter() - begun
    print(
        f"{jobs} jobs by {clients} clients: {ends.count('Completed')} Completed in {taken:.1f} s "
        f"({jobs / taken:.1f}/s), all accepted after {accepted:.1f} s, median submit "
        f"{statistics.median(seconds for seconds, _ in submitted) * 1000:.0f} ms, "
        f"{max(threads)} threads and {_proc(workspace.endpoint.pid, 'VmRSS') // 1024} MB at most"
    )


def growth(workspace: Workspace, jobs: int) -> None:
    """Compare a workspace with one page of finished jobs with one that has many, turn by turn."""
    small = Workspace(workspace.endpoint)
    for filled, count in ((small, PAGE), (workspace, jobs)):
        names = [f"filler-{number}" for number in range(count)]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(filled.submit, names))
            list(pool.map(filled.end_of, names))
    parts = {
        "submit": lambda asked, turn: asked.submit(f"turn-{turn}"),
        "list one page": lambda asked, _: asked.ask("GET", "/jobs"),
        "read one": lambda asked, _: asked.ask("GET", "/jobs/filler-1"),
    }
    for what, call in parts.items():
        taken: dict[Workspace, list[float]] = {small: [], workspace: []}
        for turn in range(TURNS):
            for asked, seconds in taken.items():
                begun = time.perf_counter()
                call(asked, turn)
                seconds.append(time.perf_counter() - begun)
        few, many = (statistics.median(seconds) * 1000 for seconds in taken.values())
        ratio = f"{many:.1f} ms with {jobs} ({many / few:.2f}x)"
        print(f"{what}: {few:.1f} ms with {PAGE} jobs, {ratio}")
    for turn in range(TURNS):
        small.end_of(f"turn-{turn}")
        workspace.end_of(f"turn-{turn}")


def memory(workspace: Workspace, megabytes: int) -> None:
    """Watch the memory of the emulator while a job writes a long log."""
    workspace.submit("warm")
    workspace.end_of("warm")
    line = "x" * 99
    command = f"yes {line} | head -c {megabytes * 1_000_000}"
    before = _proc(workspace.endpoint.pid, "VmRSS") / 1024
    begun, largest = time.perf_counter(), before
    workspace.submit("writes", command)
    while workspace.status("writes") not in ENDED:
        largest = max(largest, _proc(workspace.endpoint.pid, "VmRSS") / 1024)
        time.sleep(0.05)
    taken = time.perf_counter() - begun
    print(
        f"{megabytes} MB of log in {taken:.1f} s: {workspace.status('writes')}; the emulator had "
        f"{before:.0f} MB before and {largest:.0f} MB at most"
    )


def _proc(pid: int, field: str) -> int:
    """Read a number of /proc, or of ps where there is no /proc; kilobytes for memory."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        (line,) = (text for text in status.read_text().splitlines() if text.startswith(field))
        return int(line.split()[1])
    if field != "VmRSS":
        return 0
    return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)]))


@contextmanager
def emulator() -> Iterator[Endpoint]:
    """Run an emulator on a root of its own."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        try:
            yield lifecycle.start(root, runtime="host", dwell_seconds=0, idle_seconds=600)
        finally:
            lifecycle.stop(root)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    part = parts.add_parser("throughput")
    part.add_argument("--jobs", type=int, default=200)
    part.add_argument("--clients", type=int, default=16)
    part = parts.add_parser("growth")
    part.add_argument("--jobs", type=int, default=1000)
    part = parts.add_parser("memory")
    part.add_argument("--megabytes", type=int, default=1000)
    options = parser.parse_args()
    with emulator() as endpoint:
        workspace = Workspace(endpoint)
        workspace.submit("first")  # loads MLflow
        workspace.end_of("first")
        if options.part == "throughput":
            throughput(workspace, options.jobs, options.clients)
        elif options.part == "growth":
            growth(workspace, options.jobs)
        else:
            memory(workspace, options.megabytes)


if __name__ == "__main__":
    sys.exit(main())

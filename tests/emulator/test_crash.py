"""An emulator that is killed at any moment: what it said was done is there, and nothing is half."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import signal
import sqlite3
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from mlflow_azureml_backend.emulator import lifecycle
from mlflow_azureml_backend.emulator.administration import request
from tests.signing_in import access_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlflow_azureml_backend.emulator.endpoint import Endpoint

SECONDS = 60.0
ENDED = ("Completed", "Failed", "Canceled")
VERSION = "api-version=2024-04-01"
# Signed URLs are asked without a token.
SIGNED = {"x-ms-version": "2021-12-02", "Authorization": None}
MARK = f"crash-{uuid.uuid4().hex}"


class Service:
    """An emulator of its own root, killed and started again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.key = f"{uuid.uuid4()}/tests/crash"
        subscription, group, name = self.key.split("/")
        self.arm_id = (
            f"/subscriptions/{subscription}/resourceGroups/{group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{name}"
        )
        self.endpoint: Endpoint
        self.token = ""

    def start(self) -> None:
        self.endpoint = lifecycle.start(
            self.root, runtime="host", dwell_seconds=0.01, idle_seconds=600
        )
        request(self.endpoint, "PUT", f"/_emulator/workspaces/{self.key}", seconds=SECONDS)
        self.token = access_token(self.endpoint)

    def warm(self) -> None:
        """Wait until MLflow is loaded, without which no job can be submitted."""
        with self.session() as session:
            where = self.mlflow("experiments/get-by-name")
            session.get(where, params={"experiment_name": "Default"}).raise_for_status()

    def kill(self) -> None:
        os.kill(self.endpoint.pid, signal.SIGKILL)

    def session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.proxies = {"https": self.endpoint.proxy}
        session.verify = self.endpoint.ca_file
        session.headers["Authorization"] = f"Bearer {self.token}"
        return session

    def arm(self, path: str) -> str:
        return f"https://management.azure.com{self.arm_id}{path}?{VERSION}"

    def mlflow(self, method: str) -> str:
        return f"https://eastus.api.azureml.ms/mlflow/v2.0{self.arm_id}/api/2.0/mlflow/{method}"


class Clients:
    """Programs that write for as long as they are answered, and remember what they were told."""

    def __init__(self, service: Service, generation: int, seed: int) -> None:
        self.service, self.generation = service, generation
        self.jobs: dict[str, str] = {}
        self.blobs: dict[str, bytes] = {}
        self.unknown: dict[str, set[bytes]] = {}
        self.metrics: dict[str, list[int]] = {}
        self.jobs_asked: set[str] = set()
        self.failures: list[str] = []
        self._random = random.Random(seed)
        self._answered = threading.Semaphore(0)
        with service.session() as session:
            store = session.post(
                service.arm("/datastores/workspaceblobstore/listSecrets"),
                json={"expirableSecret": True, "expireAfterHours": 2},
            )
            details = session.get(service.arm("/datastores/workspaceblobstore")).json()
        properties = details["properties"]
        self._container = (
            f"https://{properties['accountName']}.blob.core.windows.net"
            f"/{properties['containerName']}"
        )
        self._sas = store.json()["sasToken"]

    def run(self, answers: int, seconds: float) -> None:
        """Write with six clients at once, and kill the emulator so long after so many answers."""
        work = [self._submit, self._submit, self._upload, self._upload, self._overwrite, self._log]
        with ThreadPoolExecutor(len(work)) as pool:
            futures = [pool.submit(self._until_it_is_gone, one, n) for n, one in enumerate(work)]
            for _ in range(answers):
                assert self._answered.acquire(timeout=SECONDS)
            killer = threading.Timer(seconds, self.service.kill)
            killer.start()
            for future in futures:
                future.result(SECONDS)
            killer.join()

    def _until_it_is_gone(self, work: Callable[[requests.Session, str], None], client: int) -> None:
        with self.service.session() as session:
            number = 0
            while True:
                number += 1
                try:
                    work(session, f"{self.generation}-{client}-{number}")
                except requests.RequestException:
                    return

    def _expect(self, answer: requests.Response, *statuses: int) -> bool:
        self._answered.release()
        if answer.status_code in statuses:
            return True
        # What is broken off arrives as an exception; an answer is never an error of the server.
        self.failures.append(f"{answer.request.method} {answer.status_code} {answer.text[:300]}")
        return False

    def _submit(self, session: requests.Session, name: str) -> None:
        name = f"job-{name}"
        ranks = {"distributionType": "PyTorch", "processCountPerInstance": 2}
        job = {
            "jobType": "Command",
            "command": f"echo {name}; mkdir -p outputs; echo {name} > outputs/${{RANK:-0}}; "
            f"[ $(( $$ % 7 )) = 0 ] && exit 3; sleep 0.$(( $$ % 5 )); exit 0 # {MARK}",
            "environmentId": f"{self.service.arm_id}/environments/plain/versions/1",
            "computeId": f"{self.service.arm_id}/computes/cpu-cluster",
            "distribution": ranks if name.endswith("5") else None,
        }
        self.jobs_asked.add(name)
        answer = session.put(self.service.arm(f"/jobs/{name}"), json={"properties": job})
        if self._expect(answer, 201):
            self.jobs[name] = answer.json()["properties"]["status"]

    def _upload(self, session: requests.Session, name: str) -> None:
        self._put(session, f"blobs/{name}", 200_000)

    def _overwrite(self, session: requests.Session, name: str) -> None:
        del name
        self._put(session, "blobs/one", 500_000)

    def _put(self, session: requests.Session, name: str, largest: int) -> None:
        data = self._random.randbytes(self._random.randrange(largest))
        self.unknown.setdefault(name, set()).add(data)
        headers = {**SIGNED, "x-ms-blob-type": "BlockBlob", "Content-MD5": md5(data)}
        url = f"{self._container}/{name}?{self._sas}"
        if self._expect(session.put(url, data=data, headers=headers), 201):
            self.blobs[name], self.unknown[name] = data, set()

    def _log(self, session: requests.Session, name: str) -> None:
        run = f"metrics-{self.generation}"
        if run not in self.metrics:
            created = session.post(
                self.service.mlflow("runs/create"),
                json={"experiment_id": "0", "run_name": run, "start_time": 1},
            )
            self._run = created.json()["run"]["info"]["run_id"]
            self.metrics[run] = []
        step = int(name.rpartition("-")[2])
        metric = {"run_id": self._run, "key": "m", "value": step, "timestamp": 1, "step": step}
        if self._expect(session.post(self.service.mlflow("runs/log-metric"), json=metric), 200):
            self.metrics[run].append(step)

    def check(self) -> None:
        """Ask for everything that was said to be done."""
        assert self.failures == []
        with self.service.session() as session:
            for name, data in self.blobs.items():
                self._check_blob(session, name, {data} | self.unknown.get(name, set()))
            for name in self.unknown.keys() - self.blobs.keys():
                self._check_blob(session, name, self.unknown[name], missing=True)
            for steps in filter(None, self.metrics.values()):
                url = self.service.mlflow("metrics/get-history")
                query = {"run_id": self._run, "metric_key": "m"}
                logged = {m["step"] for m in session.get(url, params=query).json()["metrics"]}
                assert set(steps) <= {int(step) for step in logged}
            for name in self.jobs_asked:
                self._check_job(session, name)

    def _check_blob(
        self,
        session: requests.Session,
        name: str,
        possible: set[bytes],
        *,
        missing: bool = False,
    ) -> None:
        url = f"{self._container}/{name}?{self._sas}"
        answer = session.get(url, headers=SIGNED)
        if missing and answer.status_code == 404:
            return
        assert answer.status_code == 200, (name, answer.text)
        assert answer.content in possible, name
        assert answer.headers["Content-MD5"] == md5(answer.content), name

    def _check_job(self, session: requests.Session, name: str) -> None:
        deadline = time.monotonic() + SECONDS
        while True:
            answer = session.get(self.service.arm(f"/jobs/{name}"))
            if answer.status_code == 404 and name not in self.jobs:
                return
            assert answer.status_code == 200, (name, answer.text)
            status = answer.json()["properties"]["status"]
            if status in ENDED:
                break
            assert time.monotonic() < deadline, (name, status)
            time.sleep(0.05)
        history = f"https://eastus.api.azureml.ms/history/v1.0{self.service.arm_id}/runs/{name}"
        details = session.get(f"{history}/details").json()
        assert details["status"] == status
        assert (details["error"] is None) == (status != "Failed"), (name, details["error"])
        run = session.get(self.service.mlflow("runs/get"), params={"run_id": name}).json()["run"]
        expected = {"Completed": "FINISHED", "Failed": "FAILED", "Canceled": "KILLED"}[status]
        assert run["info"]["status"] == expected, name
        if status == "Completed":
            logs = {path: url for path, url in details["logFiles"].items() if "user_logs" in path}
            assert logs, name
            for path, url in logs.items():
                log = session.get(url, headers=SIGNED)
                assert log.text == f"{name}\n", (name, path)


def md5(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def check_at_rest(root: Path) -> None:
    """Look at the files of an emulator that does not run."""
    for file in root.rglob("*.db"):
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",), file
    with closing(sqlite3.connect(root / "state.db")) as connection:
        documents = connection.execute("SELECT kind, name, body FROM documents").fetchall()
    for _, _, body in documents:
        json.loads(body)
    jobs = {name for kind, name, _ in documents if kind == "job"}
    assert jobs == {name for kind, name, _ in documents if kind == "run"}
    assert not [name for kind, name, _ in documents if kind == "active-job"]
    assert not list((root / "jobs").glob("*/*"))
    assert not list((root / "blobs" / ".incoming").glob("*"))


def processes_of_jobs() -> Iterator[str]:
    """Give the command lines of processes that a job of this test has left running."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (entry / "cmdline").read_bytes().decode(errors="replace")
            if MARK in line:
                yield line


def crash(root: Path, times: int, seed: int) -> None:
    random_moments = random.Random(seed)
    print(f"seed {seed}")
    service = Service(root)
    done: list[Clients] = []
    service.start()
    try:
        with service.session() as session:
            environment = {"properties": {"image": "mcr.microsoft.com/azureml/base"}}
            session.put(
                service.arm("/environments/plain/versions/1"), json=environment
            ).raise_for_status()
        for generation in range(times):
            answers, seconds = random_moments.randrange(40), random_moments.uniform(0, 0.2)
            if generation % 5 != 3:  # else it is killed while it still starts
                service.warm()
            print(f"crash {generation}: {seconds:.3f} s after {answers} answers")
            clients = Clients(service, generation, random_moments.randrange(1 << 30))
            clients.run(answers, seconds)
            done.append(clients)
            print(len(clients.jobs), "jobs", len(clients.blobs), "blobs")
            service.start()
        for number, clients in enumerate(done):
            for later in done[number + 1 :]:
                # One blob is written over again and again.
                if (again := later.blobs.get("blobs/one")) is not None:
                    clients.blobs["blobs/one"] = again
                    clients.unknown["blobs/one"] = set()
                clients.unknown.setdefault("blobs/one", set()).update(
                    later.unknown.get("blobs/one", set())
                )
        for clients in done:
            clients.check()
    finally:
        lifecycle.stop(root)
    jobs = sum(len(clients.jobs) for clients in done)
    blobs = sum(len(clients.blobs) for clients in done)
    metrics = sum(len(steps) for clients in done for steps in clients.metrics.values())
    print(f"acknowledged: {jobs} jobs, {blobs} blobs, {metrics} metrics")
    assert min(jobs, blobs, metrics) > times
    assert not list(processes_of_jobs())
    check_at_rest(root)


needs_proc = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")


@pytest.mark.campaign
@pytest.mark.timeout(1500)
@needs_proc
def test_many_crashes_lose_and_halve_nothing(tmp_path: Path) -> None:
    """Crash at moments that differ every time: 3 times, or as CRASHES says."""
    crash(
        tmp_path / "root",
        times=int(os.environ.get("CRASHES", "3")),
        seed=int(os.environ.get("CRASH_SEED", "0")) or time.time_ns() % 1_000_000,
    )

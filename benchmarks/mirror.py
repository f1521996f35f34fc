"""What it costs to mirror a large run from a workspace into a local store.

The source run is in the emulator: its points are written straight into the emulator's database,
its artifacts are uploaded. The mirror works in a process of its own, which counts its requests to
the workspace and its calls of MLflow's client, and tells the most memory it had beyond what it had
before it began; meanwhile the largest size of its folder for temporary files is watched.

    python benchmarks/mirror.py                # all cases
    python benchmarks/mirror.py one files      # some of them
    python benchmarks/mirror.py one --points 100000 --files 1000

Cases: (one) all points are of one metric; (many) of 1,000 metrics; (files) artifacts of 2 KB;
(resumed) like `one`, with nine tenths of the points mirrored before; (killed) like `one`, and the
mirror is killed three times and begun anew. After each, the run is mirrored once more as if nobody
had noted that it is complete.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from mlflow_azureml_backend.emulator import lifecycle
from mlflow_azureml_backend.job import EMULATOR, JobStatus, RunOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow_azureml_backend.workspace.connection import Connection

CASES = ("one", "many", "files", "resumed", "killed")
_FILE = b"x" * 2048
_MEGABYTE = 1 << 20
_CALLS = ("log_batch", "log_artifacts", "list_artifacts", "get_run", "set_tag", "set_terminated")


def connection() -> Connection:
    from mlflow_azureml_backend.workspace.connection import Connection
    from mlflow_azureml_backend.workspace.endpoint import emulator_endpoint

    return Connection(EMULATOR, emulator_endpoint())


def write_points(file: Path, run: str, metrics: int, each: int) -> None:
    """Write to a store's database what MLflow would, in a fraction of its time."""

    def rows() -> Iterator[tuple[str, float, int, str, int]]:
        for number in range(metrics):
            for step in range(each):
                yield f"metric/{number}", 1 / (step + 1), 1_700_000_000_000 + step, run, step

    with sqlite3.connect(file, timeout=60) as database:
        database.executemany(
            "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) "
            "VALUES (?, ?, ?, ?, ?, 0)",
            rows(),
        )
        database.execute(
            "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) "
            "SELECT key, value, timestamp, step, is_nan, run_uuid FROM metrics "
            "WHERE run_uuid = ? AND step = ?",
            (run, each - 1),
        )


class Source:
    """The workspace, and runs in it that seem to be of jobs."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._workspace = connection()
        self._url = f"{self._workspace.api}/mlflow/v2.0{EMULATOR.arm_id}/api/2.0/mlflow"
        name = f"mirror {time.time_ns()}"
        self._experiment = self._post("experiments/create", name=name)["experiment_id"]

    def open_run(self) -> str:
        body = {"experiment_id": self._experiment, "start_time": time.time_ns() // 1_000_000}
        return str(self._post("runs/create", **body)["run"]["info"]["run_id"])

    def log_points(self, run: str, metrics: int, points: int) -> None:
        [file] = [
            file
            for file in self._root.rglob("*.db")
            if "template" not in file.name and self._has(file, run)
        ]
        write_points(file, run, metrics, points // metrics)

    def upload(self, run: str, files: int) -> None:
        url = (
            f"{self._workspace.api}/history/v1.0{EMULATOR.arm_id}"
            f"/experimentids/{self._experiment}/runs/{run}/artifacts/batch/metadata"
        )
        paths = [f"folder{number % 100:02}/file{number}.bin" for number in range(files)]
        certificate = self._workspace.endpoint.client_arguments
        session = requests.Session()
        session.trust_env = False
        session.proxies = certificate["proxies"]
        session.verify = certificate["connection_verify"]
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=8)
        session.mount("https://", adapter)
        headers = {"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"}
        with ThreadPoolExecutor(8) as pool:
            for begin in range(0, files, 500):
                body = {"paths": [{"path": path} for path in paths[begin : begin + 500]]}
                answer = self._workspace.json("POST", url, body=body, doing="logging artifacts")
                urls = [
                    item["contentUri"] for item in answer["artifactContentInformation"].values()
                ]
                for put in pool.map(lambda at: session.put(at, _FILE, headers=headers), urls):
                    put.raise_for_status()

    def _has(self, file: Path, run: str) -> bool:
        with sqlite3.connect(file) as database:
            tables = "SELECT count(*) FROM sqlite_master WHERE name = 'runs'"
            if not database.execute(tables).fetchone()[0]:
                return False
            query = "SELECT count(*) FROM runs WHERE run_uuid = ?"
            return bool(database.execute(query, (run,)).fetchone()[0])

    def _post(self, call: str, **body: Any) -> dict[str, Any]:
        return self._workspace.json("POST", f"{self._url}/{call}", body=body, doing=call)


def mirror(options: argparse.Namespace) -> None:
    """Mirror one run in this process, and print what it took."""
    import mlflow
    from mlflow.tracking import MlflowClient

    from mlflow_azureml_backend.tracking.handle_tags import MIRRORED
    from mlflow_azureml_backend.tracking.mirrored_run import MirroredRun
    from mlflow_azureml_backend.workspace.tracked_run import TrackedRun

    mlflow.set_tracking_uri(options.store)
    client = MlflowClient()
    if MIRRORED in client.get_run(options.run).data.tags:
        client.delete_tag(options.run, MIRRORED)
    counts: Counter[str] = Counter()
    send = requests.adapters.HTTPAdapter.send

    def counting_send(self: Any, *arguments: Any, **keywords: Any) -> Any:
        counts["requests"] += 1
        return send(self, *arguments, **keywords)

    requests.adapters.HTTPAdapter.send = counting_send  # type: ignore[method-assign]
    for name in _CALLS:
        setattr(MlflowClient, name, _counting(getattr(MlflowClient, name), name, counts))
    source = TrackedRun(connection(), options.source)
    source.read()
    before = _memory()
    begun, cpu = time.monotonic(), time.process_time()
    MirroredRun(options.run, source).finish(RunOutcome(status=JobStatus.COMPLETED))
    print(
        json.dumps(
            {
                "seconds": time.monotonic() - begun,
                "cpu": time.process_time() - cpu,
                "before": before,
                "memory": _memory(),
                "requests": counts["requests"],
                "calls": sum(counts.values()) - counts["requests"],
            }
        )
    )


def _counting(method: Any, name: str, counts: Counter[str]) -> Any:
    def counted(*arguments: Any, **keywords: Any) -> Any:
        counts[name] += 1
        return method(*arguments, **keywords)

    return counted


def _memory() -> float:
    """Give the most memory that this process has had, in MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1024 if sys.platform == "linux" else _MEGABYTE)


@contextmanager
def watched(folder: Path) -> Iterator[list[int]]:
    """Watch the size of a folder; the list ends with its largest."""
    sizes = [0]
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.25):
            size = 0
            for folder_, _, names in os.walk(folder):
                for name in names:
                    with suppress(OSError):
                        size += Path(folder_, name).stat().st_size
            sizes.append(max(size, sizes[-1]))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield sizes
    finally:
        stop.set()
        thread.join()


class Case:
    """One case: a source run, and a store that it is mirrored to."""

    def __init__(self, name: str, options: argparse.Namespace, source: Source, to: Path) -> None:
        from mlflow.tracking import MlflowClient

        self.name, self._options = name, options
        self._to = to
        self._temporary = to / "tmp"
        self._temporary.mkdir(parents=True)
        self.store = f"sqlite:///{to / 'mlflow.db'}"
        client = MlflowClient(self.store)
        experiment = client.create_experiment("e", artifact_location=(to / "files").as_uri())
        self._run = client.create_run(experiment).info.run_id
        self._source = source.open_run()
        if name == "files":
            source.upload(self._source, options.files)
        else:
            source.log_points(self._source, 1000 if name == "many" else 1, options.points)
        if name == "resumed":
            write_points(to / "mlflow.db", self._run, 1, options.points * 9 // 10)

    def measure(self) -> dict[str, Any]:
        process = self._begin()
        with watched(self._temporary) as disk:
            answer, _ = process.communicate(timeout=3600)
        if process.returncode:
            raise SystemExit(f"{self.name}: the mirror ended with {process.returncode}")
        return {**json.loads(answer.splitlines()[-1]), "disk": disk[-1] / _MEGABYTE}

    def kill(self, times: int, seconds: float) -> None:
        """Begin the mirror so often, and kill it before it is through."""
        for _ in range(times):
            process = self._begin()
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
            process.wait()
            print(f"  killed with {self.there()[0]:,} points there", flush=True)

    def there(self) -> tuple[int, int]:
        """Count the points and the artifacts that have arrived."""
        with sqlite3.connect(self._to / "mlflow.db") as database:
            [[points]] = database.execute("SELECT count(*) FROM metrics")
        return points, sum(path.suffix == ".bin" for path in (self._to / "files").rglob("*"))

    def _begin(self) -> subprocess.Popen[str]:
        arguments = ("--store", self.store, "--run", self._run, "--source", self._source)
        return subprocess.Popen(
            [sys.executable, __file__, "mirror", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(self._temporary)},
        )


def table(name: str, figures: dict[str, Any], there: tuple[int, int]) -> None:
    print(
        f"{name:16} {there[0]:>9,} {there[1]:>7,} {figures['seconds']:>8.1f} {figures['cpu']:>7.1f}"
        f" {figures['requests']:>9,} {figures['calls']:>7,} {figures['before']:>7.0f}"
        f" {figures['memory']:>7.0f} {figures['disk']:>6.1f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=" ".join(CASES))
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--store", help=argparse.SUPPRESS)
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--source", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.cases == ["mirror"]:
        mirror(options)
        return
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"there is no case {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="mirror-") as folder:
        root = Path(folder, "emulator")
        os.environ["MLFLOW_AZUREML_EMULATOR_ROOT"] = str(root)
        lifecycle.start(root, runtime="host", idle_seconds=3600)
        try:
            source = Source(root)
            print(
                f"{'case':16} {'points':>9} {'files':>7} {'seconds':>8} {'CPU s':>7}"
                f" {'requests':>9} {'calls':>7} {'MB idle':>7} {'MB most':>7} {'MB tmp':>6}",
                flush=True,
            )
            for name in options.cases or CASES:
                case = Case(name, options, source, Path(folder, name))
                if name == "killed":
                    case.kill(3, 20 + options.points / 50_000)
                table(name, case.measure(), case.there())
                table(f"{name}, again", case.measure(), case.there())
        finally:
            lifecycle.stop(root)


if __name__ == "__main__":
    main()

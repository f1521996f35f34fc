"""How long a job's submission takes, beside a script that does the same with azure-ai-ml alone.

Each client runs in a process of its own, in turn with the other, on an emulator that answers late;
it submits what it is told, step after step, and prints seconds, connections and tokens of each
step. Its requests and bytes are counted by the emulator's journal. What is imported before the
first step (`import mlflow`, or `azure.ai.ml`) counts for `command` alone, which is the wall time of
`python script.py` and of `mlflow run` or `mlflow-azureml run`.

    python benchmarks/submit.py                              # all cases, 5 rounds
    python benchmarks/submit.py few command --rounds 3 --latency 30
    python benchmarks/submit.py --write benchmarks/results.md

Cases: `few` (20 files: first, again, and again), `inputs` (4 files and 2 inputs), `many` (2,000
files of 25 KB: first, again, one changed), `large` (1 GB in 10 files), `batch` (100 submissions of
one project from one process: one after another, and over eight threads), `command` (from Enter to
the job, 20 files, warm).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from mlflow_azureml_backend.emulator import lifecycle
from mlflow_azureml_backend.emulator.administration import request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlflow_azureml_backend.emulator.endpoint import Endpoint

# One for all, which has had jobs before; each project in it is new.
WORKSPACE = "69e3d45c-32b1-47ec-9d5c-831078ed4f2b/timed/timed"
IMAGE = "mcr.microsoft.com/azureml/base:1"
CONDA = {"dependencies": ["python=3.11", {"pip": ["mlflow-skinny"]}]}
MLPROJECT = "name: timed\nentry_points: {main: {command: 'true'}}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case: a project of `files` files of `size` bytes, and the steps of its client."""

    files: int
    size: int
    steps: tuple[str, ...]
    inputs: int = 0
    rounds: int = 99
    latencies: tuple[int, ...] = (0, 30, 100)


CASES = {
    "few": Case(files=20, size=4_000, steps=("first", "again", "warm")),
    "inputs": Case(files=4, size=4_000, steps=("first", "again"), inputs=2),
    "many": Case(files=2_000, size=25_000, steps=("first", "again", "changed")),
    "large": Case(files=10, size=100_000_000, steps=("first",), rounds=3, latencies=(0,)),
    "batch": Case(
        files=20, size=4_000, steps=("first", "hundred", "threads"), rounds=3, latencies=(30,)
    ),
    "command": Case(files=20, size=4_000, steps=("mlflow run", "mlflow-azureml run")),
}


def make_project(case: Case, folder: Path) -> Path:
    """Write a project whose content nobody has uploaded before."""
    root = folder / "project"
    for number in range(case.files - 1):
        file = root / f"package{number % 20}" / f"file{number}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as stream:
            for start in range(0, case.size, 1 << 20):
                stream.write(os.urandom(min(1 << 20, case.size - start)))
    (root / "MLproject").write_text(MLPROJECT + f"# {uuid.uuid4()}\n", encoding="utf-8")
    for number in range(case.inputs):
        (folder / f"input{number}.csv").write_bytes(os.urandom(4_000))
    return root


def make_store(folder: Path) -> str:
    """Create the tables of an MLflow store, which takes seconds and is nobody's submission."""
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    code = "import mlflow, sys; mlflow.set_tracking_uri(sys.argv[1]); mlflow.search_experiments()"
    subprocess.run([sys.executable, "-c", code, uri], check=True, capture_output=True)
    return uri


# ---- the clients, in processes of their own


def sdk(plan: dict[str, Any]) -> Callable[[], str]:
    """Give what submits by azure-ai-ml alone, as its documentation shows it."""
    from azure.ai.ml import Input, MLClient, command
    from azure.ai.ml.entities import Environment
    from azure.identity import DefaultAzureCredential

    def submit() -> str:
        client = MLClient(DefaultAzureCredential(), *plan["workspace"].split("/"))
        inputs = {f"i{n}": Input(type="uri_file", path=p) for n, p in enumerate(plan["inputs"])}
        job = command(
            command="true",
            code=plan["project"],
            environment=Environment(image=IMAGE, conda_file=CONDA),
            compute="cpu-cluster",
            experiment_name="timed",
            inputs=inputs,
        )
        return str(client.jobs.create_or_update(job).name)

    return submit


def ours(plan: dict[str, Any]) -> Callable[[], str]:
    """Give what submits by `mlflow.projects.run`."""
    import mlflow.projects

    import mlflow_azureml_backend.backend  # noqa: F401  # MLflow would import it in the first step

    # What MLflow imports in its first step, whatever the backend is.
    mlflow.get_experiment("0")  # SQLAlchemy, for its store
    with contextlib.suppress(ImportError):
        import IPython  # noqa: F401  # to see whether this is a notebook

    def submit() -> str:
        run = mlflow.projects.run(
            plan["project"],
            backend="azureml",
            backend_config=json.loads(Path(plan["config"]).read_text(encoding="utf-8")),
            synchronous=False,
        )
        return str(run.job_name)  # type: ignore[attr-defined]

    return submit


CLIENTS: dict[str, Callable[[dict[str, Any]], Callable[[], str]]] = {"sdk": sdk, "ours": ours}


def run_client(name: str, plan: dict[str, Any]) -> None:
    """Take the steps of a plan in this process, and print what each took."""
    connections, tokens = _counted_connections(), _counted_tokens()
    submit = CLIENTS[name](plan)
    answers = []
    for step in plan["steps"]:
        if step == "changed":
            file = next(Path(plan["project"]).rglob("file7.bin"))
            file.write_bytes(os.urandom(file.stat().st_size))
        connections.clear()
        tokens.clear()
        begun, since, cpu = time.perf_counter(), time.time(), time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            if step == "threads":
                together(name, plan, submit)
            else:
                for _ in range(100 if step == "hundred" else 1):
                    submit()
        answers.append(
            {
                "step": step,
                "seconds": time.perf_counter() - begun,
                "cpu": time.process_time() - cpu,
                "since": since,
                "until": time.time(),
                "connections": dict(connections),
                "tokens": sum(tokens.values()),
                "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                / (1024 if sys.platform == "linux" else 1 << 20),
            }
        )
        time.sleep(0.5)  # the emulator's journal is written several times a second
    print("\n" + json.dumps(answers))


def together(name: str, plan: dict[str, Any], submit: Callable[[], str]) -> None:
    """Submit a hundred over eight threads, as each side's user would."""
    if name == "ours":
        import mlflow_azureml_backend

        config = json.loads(Path(plan["config"]).read_text(encoding="utf-8"))
        mlflow_azureml_backend.submit_many(
            [{"uri": plan["project"], "backend_config": config} for _ in range(100)]
        )
        return
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: submit(), range(100)))


def _counted_connections() -> Counter[str]:
    """Count the TLS connections of this process, by host."""
    import ssl

    opened: Counter[str] = Counter()
    wrap = ssl.SSLContext.wrap_socket

    def counting(self: Any, *arguments: Any, **options: Any) -> Any:
        opened[str(options.get("server_hostname"))] += 1
        return wrap(self, *arguments, **options)

    ssl.SSLContext.wrap_socket = counting  # type: ignore[method-assign]
    return opened


def _counted_tokens() -> Counter[str]:
    """Count how often azure-identity is asked for a token."""
    from azure.identity import DefaultAzureCredential

    asked: Counter[str] = Counter()
    for method in ("get_token", "get_token_info"):
        wrapped = getattr(DefaultAzureCredential, method, None)
        if wrapped is None:
            continue

        def counting(self: Any, *scopes: str, _wrapped: Any = wrapped, **options: Any) -> Any:
            asked[" ".join(scopes)] += 1
            return _wrapped(self, *scopes, **options)

        setattr(DefaultAzureCredential, method, counting)
    return asked


# ---- the measurement


def measure(
    endpoint: Endpoint, case: Case, name: str, folder: Path, store: str
) -> list[dict[str, Any]]:
    """Let one client take the steps of a case on a project of its own."""
    project = make_project(case, folder)
    inputs = [str(path) for path in sorted(folder.glob("input*.csv"))]
    names = ("subscription_id", "resource_group", "workspace_name")
    config = {
        "workspace": dict(zip(names, WORKSPACE.split("/"), strict=True)),
        "compute": "cpu-cluster",
        "environment": {"image": IMAGE, "conda_file": CONDA},
        "stream": False,
        "inject": "never",
        "snapshot": {"max_size": "2GB"},
        "inputs": {f"i{n}": {"type": "uri_file", "path": p} for n, p in enumerate(inputs)},
    }
    file = folder / "config.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    plan = {
        "workspace": WORKSPACE,
        "project": str(project),
        "inputs": inputs,
        "config": str(file),
        "steps": list(case.steps),
    }
    environment = {
        **os.environ,
        **lifecycle.environment(endpoint),
        "MLFLOW_TRACKING_URI": store,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    if case is CASES["command"]:
        return [_measure_command(name, step, plan, environment) for step in case.steps]
    process = subprocess.run(
        [sys.executable, __file__, "--client", name, "--plan", json.dumps(plan)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        raise RuntimeError(process.stderr[-3000:])
    answers: list[dict[str, Any]] = json.loads(process.stdout.splitlines()[-1])
    for answer in answers:
        asked = _journal(endpoint, answer["since"], answer["until"])
        answer["requests"] = len(asked)
        answer["uploaded"] = sum(e["received"] for e in asked if ".blob." in e["host"])
    return answers


def _measure_command(
    name: str, step: str, plan: dict[str, Any], environment: dict[str, str]
) -> dict[str, Any]:
    """Time a whole process; the one before it has uploaded everything."""
    plan = {**plan, "steps": ["first"]}
    program, verb = step.split()
    backend = ("--backend", "azureml") if program == "mlflow" else ()
    commands = {
        "sdk": [sys.executable, __file__, "--client", "sdk-script", "--plan", json.dumps(plan)],
        "ours": [
            str(Path(sys.executable).with_name(program)),
            *(verb, plan["project"], *backend, "--backend-config", plan["config"]),
        ],
    }
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begun = time.perf_counter()
        subprocess.run(commands[name], env=environment, capture_output=True, check=True)
        seconds = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"step": step, "seconds": seconds, "cpu": cpu}


def _journal(endpoint: Endpoint, since: float, until: float) -> list[dict[str, Any]]:
    """Give the requests of a span of time, but for the administration's own."""
    found, place = [], 0
    while entries := (page := _page(endpoint, place))["entries"]:
        found += [
            entry
            for entry in entries
            if since <= entry["time"] <= until
            and not entry["path"].startswith("/_emulator")
            and entry["method"] != "CONNECT"
        ]
        place = page["next"]
    return found


def _page(endpoint: Endpoint, since: int) -> dict[str, Any]:
    query = urlencode({"since": since, "limit": 50_000})
    return request(endpoint, "GET", f"/_emulator/journal?{query}", seconds=60)


def run_case(
    endpoint: Endpoint, title: str, latency: int, rounds: int, clients: list[str]
) -> dict[tuple[str, str], dict[str, Any]]:
    """Give the medians of a case by step and client; the clients take turns."""
    case, taken = CASES[title], {}
    request(endpoint, "PUT", f"/_emulator/workspaces/{WORKSPACE}")
    for number in range(min(rounds, case.rounds)):
        order = clients if number % 2 == 0 else clients[::-1]
        for name in order:
            faults = [{"latency": latency / 1000}] if latency else []
            request(endpoint, "PUT", "/_emulator/faults", body={"faults": faults})
            with tempfile.TemporaryDirectory() as folder:
                store = make_store(Path(folder)) if name == "ours" else ""
                for answer in measure(endpoint, case, name, Path(folder), store):
                    taken.setdefault((answer["step"], name), []).append(answer)
    return {key: _medians(answers) for key, answers in taken.items()}


def _medians(answers: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {"rounds": len(answers), "connections": answers[-1].get("connections")}
    for field in ("seconds", "cpu", "requests", "uploaded", "tokens", "memory"):
        values = [answer[field] for answer in answers if field in answer]
        found[field] = statistics.median(values) if values else None
    return found


HEADS = (
    *("case", "step", "latency", "client", "rounds", "seconds", "ratio", "CPU s"),
    *("requests", "bytes up", "TLS connections", "get_token", "MB of memory"),
)


def rows(
    title: str, latency: int, found: dict[tuple[str, str], dict[str, Any]]
) -> Iterator[list[str]]:
    for step in CASES[title].steps:
        base = found.get((step, "sdk"), {}).get("seconds")
        for name in CLIENTS:
            if (step, name) not in found:
                continue
            got = found[step, name]
            ratio = f"{got['seconds'] / base:.2f}" if base and name == "ours" else ""
            yield [
                *(title, step, f"{latency} ms", name, str(got["rounds"])),
                *(f"{got['seconds']:.2f}", ratio),
                *(f"{got['cpu']:.2f}", _shown(got["requests"]), _shown(got["uploaded"])),
                _hosts(got["connections"]),
                *(_shown(got["tokens"]), _shown(got["memory"])),
            ]


def _hosts(opened: dict[str, int] | None) -> str:
    return ", ".join(f"{count} {host.split('.')[-3]}" for host, count in (opened or {}).items())


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


@contextlib.contextmanager
def emulator() -> Iterator[Endpoint]:
    """Run an emulator on a root of its own, whose jobs never start: they would take the time."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        # As pip leaves an environment: whoever would compile all of it anew measures that.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["MLFLOW_AZUREML_EMULATOR_ROOT"] = str(root)
        try:
            endpoint = lifecycle.start(root, runtime="host", dwell_seconds=3600, idle_seconds=3600)
            for name in CLIENTS:  # nobody's first time: bytecode, and the emulator's own MLflow
                run_case(endpoint, "inputs", 0, 1, [name])
            yield endpoint
        finally:
            lifecycle.stop(root)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency", type=int, action="append", help="milliseconds")
    parser.add_argument("--only", choices=CLIENTS, help="one client alone")
    parser.add_argument("--write", type=Path, help="put what is measured into this file's table")
    for name in ("client", "plan"):  # what the processes of clients are told
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client == "sdk-script":
        sdk(json.loads(options.plan))()
        return
    if options.client:
        run_client(options.client, json.loads(options.plan))
        return
    clients = [options.only] if options.only else list(CLIENTS)
    print(*HEADS, sep=" | ")
    with emulator() as endpoint:
        for title in options.cases:
            for latency in options.latency or CASES[title].latencies:
                found = run_case(endpoint, title, latency, options.rounds, clients)
                table = list(rows(title, latency, found))
                for row in table:
                    print(*row, sep=" | ", flush=True)
                if options.write:
                    write(options.write, table)


def write(file: Path, table: list[list[str]]) -> None:
    """Put rows into the table of a file, in place of those of the same case and latency."""
    before = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    known = [[cell.strip() for cell in line.strip("|").split("|")] for line in before]
    kept = [row for row in known if row[0] in CASES and row[:3:2] != table[0][:3:2]]
    titles = list(CASES)
    found = sorted([*kept, *table], key=lambda row: (titles.index(row[0]), int(row[2].split()[0])))
    lines = ["| " + " | ".join(row) + " |" for row in (HEADS, ["---"] * len(HEADS), *found)]
    file.write_text(
        "# Submitting, measured\n\n"
        f"By `python benchmarks/submit.py`: medians, clients in turn, on {os.cpu_count()} cores "
        f"that they share with the emulator, Python {platform.python_version()}.\n\n"
        + "\n".join(lines)
        + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()

"""What the journal and the check for faults cost a request, in CPU time.

`python benchmarks/emulator_journal.py` prints microseconds a request, of the thread that answers
and of the whole process (which also writes the file), and the size of the file.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mlflow_azureml_backend.emulator.faults.injection import FaultInjection
from mlflow_azureml_backend.emulator.faults.parsing import parse_fault
from mlflow_azureml_backend.emulator.faults.plan import FaultPlan
from mlflow_azureml_backend.emulator.journal import Journal
from mlflow_azureml_backend.emulator.journaling import Journaling

REQUESTS = 10_000
SCOPE = {
    "type": "http",
    "method": "PUT",
    "path": "/container/folder/of/the/snapshot/file.py",
    "query_string": b"sv=2021-10-04&sr=c&sp=rcwl&sig=x",
    "headers": [
        (b"host", b"em0123456789abcdef.blob.core.windows.net"),
        (b"user-agent", b"azsdk-python-storage-blob/12.27.1 Python/3.11"),
        (b"content-length", b"100"),
    ],
}


async def application(scope: Any, receive: Any, send: Any) -> None:
    del scope
    await receive()
    await send({"type": "http.response.start", "status": 201, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"x" * 100, "more_body": False}


async def send(message: Any) -> None:
    del message


def microseconds(app: Any) -> tuple[float, float]:
    async def ask() -> tuple[float, float]:
        thread, process = time.thread_time(), time.process_time()
        for _ in range(REQUESTS):
            await app({**SCOPE, "state": {}}, receive, send)
        return time.thread_time() - thread, time.process_time() - process

    thread, process = asyncio.run(ask())
    return thread / REQUESTS * 1e6, process / REQUESTS * 1e6


def main() -> None:
    bare, _ = microseconds(application)
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.db")
        plan = FaultPlan()
        emulation: Any = SimpleNamespace(faults=plan)
        wrapped = Journaling(FaultInjection(application, emulation), journal)
        thread, process = microseconds(wrapped)
        print(f"bare {bare:.1f} us; with journal {thread:.1f} us, whole process {process:.1f} us")
        plan.add(parse_fault({"route": f"GET */other{index}", "slow": 1}) for index in range(10))
        thread, process = microseconds(wrapped)
        print(
            f"and with 10 faults for other routes {thread:.1f} us, whole process {process:.1f} us"
        )
        journal.close()
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        print(f"{size / 1e6:.1f} MB for {2 * REQUESTS} entries")


if __name__ == "__main__":
    main()

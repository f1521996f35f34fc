"""Many jobs at once and long logs; what they cost is measured by `benchmarks/emulator_jobs.py`."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

SECONDS = 60.0
MEGABYTE = 1_000_000


@pytest.fixture
def ask_at_once(workspace: Any, access_token: str) -> Any:
    """Ask for jobs from any thread, each on a connection of its own."""
    local = threading.local()

    def send(method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.trust_env = False
            local.session.proxies = {"https": workspace.endpoint.proxy}
            local.session.verify = workspace.endpoint.ca_file
            local.session.headers["Authorization"] = f"Bearer {access_token}"
        url = path
        if not url.startswith("https://"):
            url = f"https://management.azure.com{workspace.arm_id}{path}?api-version=2024-04-01"
        return local.session.request(method, url, json=body, timeout=SECONDS, **options)

    return send


def test_jobs_that_sixteen_clients_submit_at_once_all_complete(
    jobs: Any, ask_at_once: Any, ask: Any, history: str
) -> None:
    def submit(number: int) -> int:
        job = {
            "jobType": "Command",
            "command": f"echo {number}",
            "environmentId": jobs.environment,
            "computeId": jobs.compute,
        }
        return ask_at_once("PUT", f"/jobs/job-{number}", {"properties": job}).status_code

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(submit, range(48))) == [201] * 48

    for number in range(48):
        assert jobs.wait(f"job-{number}")["status"] == "Completed"
        details = ask("GET", f"{history}/runs/job-{number}/details").json()
        url = details["logFiles"]["user_logs/std_log.txt"]
        log = ask_at_once("GET", url, headers={"Authorization": None})
        assert log.text == f"{number}\n"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory in /proc")
def test_a_long_log_does_not_pass_through_the_emulator_s_memory(jobs: Any, workspace: Any) -> None:
    def resident() -> int:
        status = Path(f"/proc/{workspace.endpoint.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    jobs.run("before", "true")
    before = resident()

    assert jobs.run("writes", f"yes | head -c {200 * MEGABYTE}")["status"] == "Completed"

    assert resident() - before < 50 * MEGABYTE

"""What the tests of the emulator's control plane share: requests as any program sends them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import requests

from mlflow_azureml_backend.pytest_plugin import Faults
from tests import signing_in

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 60.0
ENDED = ("Completed", "Failed", "Canceled")


class Ask(Protocol):
    """Send a request to a workspace: to a path below it, or to a whole URL."""

    def __call__(self, method: str, where: str, body: Any = None) -> requests.Response: ...


class Jobs:
    """Submit jobs over the wire, and wait for their end."""

    def __init__(self, ask: Ask, arm_id: str) -> None:
        self._ask = ask
        self.environment = f"{arm_id}/environments/plain/versions/1"
        self.compute = f"{arm_id}/computes/cpu-cluster"
        environment = {"properties": {"image": "mcr.microsoft.com/azureml/base"}}
        ask("PUT", "/environments/plain/versions/1", environment).raise_for_status()

    def submit(self, name: str, command: str = "true", **properties: Any) -> requests.Response:
        job = {
            "jobType": "Command",
            "command": command,
            "environmentId": self.environment,
            "computeId": self.compute,
            **properties,
        }
        return self._ask("PUT", f"/jobs/{name}", {"properties": job})

    def get(self, name: str) -> dict[str, Any]:
        answer = self._ask("GET", f"/jobs/{name}")
        answer.raise_for_status()
        return dict(answer.json()["properties"])

    def run(self, name: str, command: str = "true", **properties: Any) -> dict[str, Any]:
        """Submit a job, and give it when it has ended."""
        self.submit(name, command, **properties).raise_for_status()
        return self.wait(name)

    def wait(self, name: str) -> dict[str, Any]:
        """Give a job when it has ended."""
        deadline = time.monotonic() + SECONDS
        while (job := self.get(name))["status"] not in ENDED:
            assert time.monotonic() < deadline, job["status"]
            time.sleep(0.02)
        return job


@pytest.fixture(scope="session")
def access_token(emulator: Any) -> str:
    """Sign in once for all tests, with the plain protocol."""
    return signing_in.access_token(emulator)


@pytest.fixture
def ask(workspace: Any, access_token: str) -> Iterator[Ask]:
    """Ask the services of a workspace with production URLs, through the proxy."""
    with requests.Session() as session:
        session.trust_env = False  # a CA bundle named in the environment would go first
        session.proxies = {"https": workspace.endpoint.proxy}
        session.verify = workspace.endpoint.ca_file
        session.headers["Authorization"] = f"Bearer {access_token}"

        def send(method: str, where: str, body: Any = None) -> requests.Response:
            if where.startswith("https://"):
                url = where
            else:
                joint = "&" if "?" in where else "?"
                url = f"https://management.azure.com{workspace.arm_id}{where}"
                url += f"{joint}api-version=2024-10-01-preview"
            return session.request(method, url, json=body, timeout=SECONDS)

        yield send


@pytest.fixture
def history(workspace: Any) -> str:
    """Give the address of the workspace's run history."""
    return f"https://eastus.api.azureml.ms/history/v1.0{workspace.arm_id}"


@pytest.fixture
def jobs(ask: Ask, workspace: Any) -> Jobs:
    """Give what submits jobs, and what they need."""
    return Jobs(ask, workspace.arm_id)


@pytest.fixture
def faults(workspace: Any) -> Iterator[Faults]:
    """Let requests to the workspace go wrong, until the test ends."""
    found = Faults(workspace.endpoint, workspace.arm_id)
    yield found
    found.clear()

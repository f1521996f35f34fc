"""An emulator's life: started once, found when it runs, not believed when it does not."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from mlflow_azureml_backend.emulator import lifecycle
from mlflow_azureml_backend.emulator.administration import request
from mlflow_azureml_backend.emulator.endpoint import default_root, read_endpoint, write_endpoint
from mlflow_azureml_backend.emulator.exclusive import exclusive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlflow_azureml_backend.emulator.endpoint import Endpoint

START = (
    "import pathlib, sys; from mlflow_azureml_backend.emulator import lifecycle; "
    "e = lifecycle.start(pathlib.Path(sys.argv[1]), runtime='host', idle_seconds=60); "
    "print(e.pid, e.address)"
)


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    found = tmp_path / "root"
    yield found
    lifecycle.stop(found)


def started(root: Path, **options: float) -> Endpoint:
    return lifecycle.start(root, **{"runtime": "host", "idle_seconds": 60, **options})


def gone(root: Path) -> bool:
    """Wait until no process holds a state directory."""
    with exclusive(root / "server.lock", seconds=30):
        return True


def test_processes_that_start_an_emulator_at_once_end_up_with_the_same_one(root: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", START, str(root)], stdout=subprocess.PIPE)
        for _ in range(10)
    ]
    answers = {process.communicate(timeout=60)[0] for process in processes}
    endpoint = lifecycle.running(root)
    assert endpoint is not None
    assert answers == {f"{endpoint.pid} {endpoint.address}\n".encode()}
    assert [process.returncode for process in processes] == [0] * 10


def test_what_an_emulator_holds_is_there_again_after_it_was_killed(root: Path) -> None:
    first = started(root)
    path = "/_emulator/workspaces/11111111-1111-1111-1111-111111111111/group/mine"
    request(first, "PUT", path)
    os.kill(first.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    assert gone(root)
    assert read_endpoint(root) == first
    assert lifecycle.running(root) is None
    second = started(root)
    assert second == replace(first, pid=second.pid)
    assert second.pid != first.pid
    assert request(second, "PUT", path)["id"].endswith("/workspaces/mine")


def test_an_endpoint_file_of_a_foreign_process_is_not_believed(root: Path) -> None:
    endpoint = started(root)
    lifecycle.stop(root)
    with foreign_server() as address:
        write_endpoint(root, replace(endpoint, address=address))
        assert lifecycle.running(root) is None
        assert lifecycle.stop(root) is False
    assert read_endpoint(root) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_a_damaged_endpoint_file_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "endpoint.json").write_text(content)
    assert read_endpoint(tmp_path) is None
    assert lifecycle.running(tmp_path) is None


def test_the_endpoint_file_is_its_owner_s_and_goes_with_the_emulator(root: Path) -> None:
    endpoint = started(root)
    assert read_endpoint(root) == endpoint
    assert endpoint.client_secret not in repr(endpoint)
    if sys.platform != "win32":
        assert (root / "endpoint.json").stat().st_mode & 0o077 == 0
        assert root.stat().st_mode & 0o077 == 0
    assert lifecycle.stop(root) is True
    assert read_endpoint(root) is None
    assert lifecycle.stop(root) is False


def test_an_emulator_that_nobody_uses_ends_itself(root: Path) -> None:
    started(root, idle_seconds=0.4)
    assert gone(root)
    assert read_endpoint(root) is None


@pytest.mark.skipif(sys.platform == "win32", reason="processes get no such signal on Windows")
def test_a_signal_ends_an_emulator_in_order(root: Path) -> None:
    endpoint = started(root)
    os.kill(endpoint.pid, signal.SIGTERM)
    assert gone(root)
    assert read_endpoint(root) is None


def test_a_reset_wipes_everything(root: Path) -> None:
    before = started(root)
    lifecycle.reset(root)
    assert lifecycle.running(root) is None
    assert {entry.name for entry in root.iterdir()} <= {"start.lock", "server.lock"}
    lifecycle.reset(root)
    assert started(root).client_secret != before.client_secret


def test_a_reset_does_not_wipe_another_directory(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(lifecycle.EmulatorError, match="nothing is wiped"):
        lifecycle.reset(tmp_path)
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_start_that_fails_says_why(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(lifecycle.EmulatorError, match=r"cannot start: .*in use") as failed:
            started(root, port=port)
    assert "Traceback" not in str(failed.value)


def test_a_port_that_is_taken_meanwhile_is_replaced(root: Path) -> None:
    first = started(root)
    lifecycle.stop(root)
    port = int(first.address.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        assert started(root).address != first.address


def test_the_environment_leads_every_client_to_the_emulator(emulator: Endpoint) -> None:
    variables = lifecycle.environment(emulator)
    assert variables["HTTPS_PROXY"] == variables["https_proxy"] == emulator.address
    assert variables["REQUESTS_CA_BUNDLE"] == variables["SSL_CERT_FILE"] == emulator.ca_file
    assert "127.0.0.1" in variables["NO_PROXY"]
    assert variables["AZURE_CLIENT_SECRET"] == emulator.client_secret
    assert variables["AZUREML_ARM_WORKSPACE_NAME"] == "emulator"


def test_the_emulator_does_not_inherit_the_shell_s_azure(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere.example")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "a real one")
    endpoint = started(root)
    if sys.platform == "linux":
        with open(f"/proc/{endpoint.pid}/environ", "rb") as stream:  # noqa: PTH123
            inherited = stream.read()
        assert b"elsewhere" not in inherited
        assert b"a real one" not in inherited


def test_the_state_directory_is_where_the_platform_keeps_state(tmp_path: Path) -> None:
    assert default_root({"MLFLOW_AZUREML_EMULATOR_ROOT": str(tmp_path)}) == tmp_path
    if sys.platform == "linux":
        expected = tmp_path / "mlflow-azureml-backend" / "emulator"
        assert default_root({"XDG_STATE_HOME": str(tmp_path)}) == expected


def test_the_emulator_answers_before_anything_heavy_is_imported() -> None:
    code = (
        "import sys; import mlflow_azureml_backend.emulator.server as s; s.all_routes(); "
        "found = {'mlflow', 'azure', 'pandas', 'flask', 'sqlalchemy'} & set(sys.modules); "
        "sys.exit(str(found) if found else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@contextmanager
def foreign_server() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"product": "something else"}')

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

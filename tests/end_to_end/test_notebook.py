"""A run in a notebook: cells that a real Jupyter kernel executes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent / "projects" / "logging"


@pytest.fixture
def execute(client, azureml_emulator, tmp_path):
    """Execute a cell and give what it shows, message by message."""
    from jupyter_client.manager import start_new_kernel

    manager, kernel = start_new_kernel(kernel_name="python3", env=dict(os.environ), cwd=tmp_path)

    def run(code: str) -> list[dict]:
        messages = []
        reply = kernel.execute_interactive(code, output_hook=messages.append, timeout=200)
        assert reply["content"]["status"] == "ok", reply["content"]
        return messages

    yield run
    kernel.stop_channels()
    manager.shutdown_kernel(now=True)


def printed(messages) -> str:
    streams = [message["content"] for message in messages if message["msg_type"] == "stream"]
    return "".join(content["text"] for content in streams if content["name"] == "stdout")


def cards(messages) -> list[tuple[str, str, str]]:
    """Give kind of message, display id and HTML of every card; rich shows its lines as HTML too."""
    return [
        (
            message["msg_type"],
            message["content"].get("transient", {}).get("display_id", ""),
            message["content"]["data"]["text/html"],
        )
        for message in messages
        if "● " in message["content"].get("data", {}).get("text/html", "")
    ]


@pytest.mark.campaign
def test_a_cell_that_waits_prints_the_log_below_a_card_that_changes(execute, azureml_emulator):
    config = json.dumps(azureml_emulator.backend_config)
    shown = execute(
        f"""
import json, mlflow
run = mlflow.projects.run(
    {str(PROJECT)!r}, backend="azureml", backend_config=json.loads({config!r}),
    experiment_name="sample", synchronous=False, parameters={{"points": 40, "seconds": 5}},
)
run
"""
    )
    [(kind, _, html)] = cards(shown)
    assert kind == "execute_result"
    assert "logging_" in html

    waiting = execute("completed = run.wait()")
    lines = printed(waiting).splitlines()
    assert [lines[0], lines[-1]] == ["started", "done"]
    (first, name, _), *changes = cards(waiting)
    assert first == "display_data"
    assert changes
    assert {(kind, same) for kind, same, _ in changes} == {("update_display_data", name)}
    assert "● Completed" in changes[-1][2]
    assert "from_the_job" in changes[-1][2]
    assert "accuracy" in changes[-1][2]

    again = execute("run.stream_logs()\nprint(run.download('outputs/note.txt').read_text())")
    assert printed(again).splitlines() == [*lines, "a note"]

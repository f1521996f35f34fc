"""Answers about runs beside those of the service, as they were recorded in 2022 and 2023.

The recorded sessions that read them ran pipelines, which are not emulated, so that the conformance
tests leave them out; the documents are the same for a command job.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.recording import FOLDER as RECORDINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

    Ask = Callable[..., requests.Response]

# Names of a user's own choice: there is nothing to compare below them.
FREE = re.compile(
    r"(runMetadata\.)?(tags|properties|parameters|inputs|outputs|logFiles|actionUris)"
)
TOLERATED = (
    "runDefinition",  # clients do not read it
    "runMetadata.cancelUri",  # another service's
)


def differences(recorded: Any, answered: Any, path: str = "") -> Iterator[str]:
    """Tell which recorded fields are missing in an answer, or of another type."""
    if recorded is None or path in TOLERATED:
        return
    if type(recorded) is not type(answered):
        yield f"{path}: {recorded!r} was recorded, and {answered!r} is answered"
    elif FREE.fullmatch(path):
        return
    elif isinstance(recorded, dict):
        for name, value in recorded.items():
            below = f"{path}.{name}".strip(".")
            if name in answered:
                yield from differences(value, answered[name], below)
            else:
                yield f"{below}: is missing"
    elif isinstance(recorded, list):
        # Entries are of the same thing when they have the same name, or type in errors.
        named = {_name(each): each for each in answered}
        for each in recorded:
            if _name(each) in named:
                yield from differences(each, named[_name(each)], path)


def _name(entry: Any) -> Any:
    return entry.get("name", entry.get("type")) if isinstance(entry, dict) else repr(entry)


needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="no recordings are here")


@pytest.fixture
def completed(jobs: Any) -> str:
    """Give the name of a job that has completed."""
    assert jobs.run("ended", "echo done", description="as recorded")["status"] == "Completed"
    return "ended"


@needs_recordings
def test_run_details_have_every_recorded_field(completed: str, ask: Ask, history: str) -> None:
    analysis = (RECORDINGS / "ANALYSIS.md").read_text()
    _, _, block = analysis.partition("**GET run details (Completed)**")
    recorded = json.loads(re.search(r"```json\n(?://[^\n]*\n)?(.+?)```", block, re.DOTALL)[1])

    answer = ask("GET", f"{history}/runs/{completed}/details").json()

    assert list(differences(recorded, answer)) == []


@needs_recordings
def test_run_data_has_every_recorded_field(completed: str, ask: Ask, history: str) -> None:
    recorded = entry("pipeline_job__test_pipeline_job_download.json", 20)

    answer = ask("POST", f"{history}/rundata", {**recorded["request_body"], "runId": completed})

    assert list(differences(recorded["response_body"], answer.json())) == []


@needs_recordings
def test_a_cancelation_is_answered_and_polled_as_it_was_recorded(
    jobs: Any, ask: Ask, workspace: Any
) -> None:
    file = "command_job__test_command_job_dependency_label_resolution.json"
    asked, going_on, done = (entry(file, index) for index in (18, 19, 20))
    jobs.submit("long", "trap '' TERM; sleep 1000").raise_for_status()

    answer = ask("POST", "/jobs/long/cancel")

    assert (answer.status_code, answer.text) == (asked["status"], "null")
    assert all(header in answer.headers for header in asked["response_headers"])
    polled = []
    while not polled or polled[-1].status_code == going_on["status"]:
        polled.append(ask("GET", answer.headers["Location"]))
    for poll in polled[:-1]:
        assert poll.json() == going_on["response_body"]
        assert poll.headers["Location"] == answer.headers["Location"]
    assert polled[-1].status_code == done["status"]
    assert not polled[-1].content
    assert jobs.get("long")["status"] == "Canceled"


def entry(file: str, index: int) -> dict[str, Any]:
    return dict(json.loads((RECORDINGS / file).read_text())["entries"][index])

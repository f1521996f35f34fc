"""The harness itself: it notices what differs, and takes recordings that it has never seen."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.names import Names
from tests.conformance.recording import FOLDER, exchange, read
from tests.conformance.replay import main, table
from tests.conformance.session import ALLOWED, DIFFERENT, SAME, UNSUPPORTED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.conformance.replay import Replayer
    from tests.conformance.session import Result

    Change = Callable[[dict[str, Any]], None]

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the recordings of real traffic are not beside this checkout"
)
PLAIN = ("code_asset", "datastore", "environment__test_environment_create_conda", "dataset")


def entries(name: str) -> list[dict[str, Any]]:
    (file,) = FOLDER.glob(f"{name}*.json")
    return list(json.loads(file.read_text())["entries"])


def replayed(replayer: Replayer, recorded: Sequence[dict[str, Any]]) -> list[Result]:
    return replayer.replay([exchange(index, entry) for index, entry in enumerate(recorded)])


def different(results: Sequence[Result]) -> list[str]:
    return [
        f"{result.exchange.label}: {difference}"
        for result in results
        if result.verdict == DIFFERENT
        for difference in result.differences
    ]


@pytest.mark.parametrize("name", PLAIN)
def test_other_names_make_no_difference(name: str, replayer: Replayer) -> None:
    text = json.dumps(entries(name))
    text = text.replace(
        "00000000-0000-0000-0000-000000000/", "5b5ab2ff-1d1f-4f2b-a9e5-b8e7c0a5f3c1/"
    )
    text = re.sub(r"\b(test|env-test)([_-])(\d+)", r"\1\g<2>9\3", text)
    text = text.replace("resourceGroups/00000/", "resourceGroups/another-group/")
    text = text.replace("resourcegroups/00000/", "resourcegroups/another-group/")
    text = text.replace("workspaces/00000", "workspaces/another-workspace")
    text = text.replace('"name": "00000"', '"name": "another-workspace"')
    text = text.replace('"friendlyName": "00000"', '"friendlyName": "another-workspace"')
    text = text.replace("eastus2", "westeurope")

    assert different(replayed(replayer, json.loads(text))) == []


@pytest.mark.parametrize("name", [*PLAIN, "command_job__test_command_job_with_dataset", "compute"])
@pytest.mark.parametrize("dropped", [1, 3])
def test_a_session_may_begin_in_its_middle(name: str, dropped: int, replayer: Replayer) -> None:
    recorded = entries(name)[dropped:]

    results = replayed(replayer, recorded)

    assert len(results) == len(recorded)
    assert different(results) == []


def test_requests_that_know_nothing_of_each_other_may_come_in_another_order(
    replayer: Replayer,
) -> None:
    recorded = entries("command_job__test_command_job_builder")
    first, second = recorded[2:7], recorded[7:11]

    results = replayed(replayer, [*second, *first, *recorded[:2], *recorded[11:]])

    assert different(results) == []


def test_a_recording_of_nothing_has_no_results(replayer: Replayer) -> None:
    assert replayed(replayer, []) == []


def test_what_the_emulator_refuses_by_name_is_counted_as_unsupported(replayer: Replayer) -> None:
    recorded = copy.deepcopy(entries("sweep_job__test_sweep_job_submit"))
    recorded[2]["request_body"]["properties"]["jobType"] = "AutoML"

    results = replayed(replayer, recorded)

    assert results[2].verdict == UNSUPPORTED
    assert "Jobs of type AutoML are not supported by the emulator" in results[2].reasons[0]
    assert results[3].verdict == UNSUPPORTED
    assert "builds on exchange 2" in results[3].reasons[0]


def test_a_throttled_request_is_allowed_with_its_reason(replayer: Replayer) -> None:
    recorded = entries("environment__test_environment_create_conda")
    throttled = {**copy.deepcopy(recorded[0]), "status": 429, "response_body": None}

    results = replayed(replayer, [throttled, *recorded])

    assert [result.verdict for result in results] == [ALLOWED, SAME]
    assert "busy" in results[0].reasons[0]


def _remove_status(entry: dict[str, Any]) -> None:
    entry["response_body"]["properties"]["invented"] = "by the service"


def _text_for_object(entry: dict[str, Any]) -> None:
    entry["response_body"]["properties"]["tags"] = "none"


def _number_for_text(entry: dict[str, Any]) -> None:
    entry["response_body"]["name"] = 1


def _value_for_null(entry: dict[str, Any]) -> None:
    entry["response_body"]["properties"]["description"] = "described"


def _another_echo(entry: dict[str, Any]) -> None:
    entry["request_body"]["properties"]["dataUri"] += "x"


def _another_status(entry: dict[str, Any]) -> None:
    entry["status"] = 200


def _another_header(entry: dict[str, Any]) -> None:
    entry["response_headers"]["Azure-AsyncOperation"] = "https://management.azure.com/operation"


def _no_location(entry: dict[str, Any]) -> None:
    del entry["response_headers"]["Location"]


def _another_kind_of_value(entry: dict[str, Any]) -> None:
    entry["response_body"]["systemData"]["createdAt"] = "yesterday"


@pytest.mark.parametrize(
    "change",
    [
        _remove_status,
        _text_for_object,
        _number_for_text,
        _value_for_null,
        _another_echo,
        _another_status,
        _another_header,
        _no_location,
        _another_kind_of_value,
    ],
)
def test_a_changed_answer_is_noticed(change: Change, replayer: Replayer) -> None:
    recorded = entries("command_job__test_command_job_dependency_label_resolution")[6:7]
    assert different(replayed(replayer, recorded)) == []
    changed = copy.deepcopy(recorded)
    change(changed[0])

    assert replayed(replayer, changed)[0].verdict == DIFFERENT


def test_what_the_session_made_is_never_made_again(replayer: Replayer) -> None:
    recorded = entries("datastore")
    put, get, delete = recorded[0], recorded[1], recorded[7]

    # As if the emulator had forgotten it: the recorded client still reads what it made.
    results = replayed(replayer, [put, delete, get])

    assert [result.verdict for result in results] == [SAME, SAME, DIFFERENT]
    assert results[2].differences[0].kind == "status"


def test_a_blob_that_reads_otherwise_is_noticed(replayer: Replayer) -> None:
    recorded = entries("internal_utils")
    assert different(replayed(replayer, recorded)) == []
    recorded[6]["response_body"]["preview"] = "something else"

    assert replayed(replayer, recorded)[6].verdict == DIFFERENT


def test_names_of_the_client_are_never_learned_away() -> None:
    names = Names("eastus")
    names.learn(
        {"a": "3f8da52e-b145-44b7-8fc2-399e3d40f070", "b": "saaccount1234"},
        {"a": "11111111-2222-3333-4444-555555555555", "b": "emaccount5678"},
        spoken="PUT …/codes/3f8da52e-b145-44b7-8fc2-399e3d40f070",
    )

    assert names.text("3f8da52e-b145-44b7-8fc2-399e3d40f070") == (
        "3f8da52e-b145-44b7-8fc2-399e3d40f070"
    )
    assert names.text("https://saaccount1234.blob.core.windows.net/c") == (
        "https://emaccount5678.blob.core.windows.net/c"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("no JSON", "cannot be read"),
        ('{"entries": 1}', "no list of `entries`"),
        ('{"entries": [{"method": "GET"}]}', "no uri and no status"),
    ],
)
def test_a_file_that_is_no_recording_is_refused(
    content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "recording.json"
    file.write_text(content)

    assert main([str(file)]) == 2
    assert said in capsys.readouterr().err


def test_the_command_prints_a_table_and_exits_with_1_on_a_difference(
    paced_emulator: Any, tmp_path: Path
) -> None:
    root = Path(paced_emulator.ca_file).parents[1]
    recorded = entries("environment__test_environment_create_conda")
    file = tmp_path / "recording.json"
    command = [sys.executable, "-m", "tests.conformance.replay", "--root", str(root), str(file)]
    project = Path(__file__).parents[2]

    codes = []
    for status in (201, 200):
        recorded[0]["status"] = status
        file.write_text(json.dumps({"entries": recorded}))
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        codes.append((done.returncode, "PUT {WS}/environments/" in done.stdout))

    assert codes == [(0, True), (1, True)]
    assert "status: 200 was recorded" in done.stdout


def test_every_recording_can_be_read() -> None:
    assert all(read(file) for file in FOLDER.glob("*.json"))
    assert table(Path("empty.json"), []) != ""

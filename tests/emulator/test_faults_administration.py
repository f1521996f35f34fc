"""Faults and journal from the command line and by the administration's API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests
from click.testing import CliRunner, Result

from mlflow_azureml_backend.cli import main
from mlflow_azureml_backend.emulator import lifecycle
from mlflow_azureml_backend.emulator.administration import EmulatorError, request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Run = Callable[..., Result]

PATH = "/_emulator/faults"


@pytest.fixture
def run(emulator: Any) -> Run:
    """Call `mlflow-azureml emulator …` for the emulator of the tests."""

    def call(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["emulator", *arguments])

    return call


@pytest.fixture
def names(workspace: Any) -> str:
    return f"{workspace.subscription_id}/{workspace.resource_group}/{workspace.workspace_name}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", PATH),
        ("POST", PATH),
        ("PUT", PATH),
        ("DELETE", PATH),
        ("DELETE", f"{PATH}/1"),
        ("GET", "/_emulator/journal"),
    ],
)
def test_only_administrators_see_and_set_faults_and_read_the_journal(
    emulator: Any, method: str, path: str
) -> None:
    answer = requests.request(method, f"{emulator.address}{path}", timeout=10)
    assert answer.status_code == 401


def test_faults_are_added_listed_and_removed(emulator: Any, workspace: Any, names: str) -> None:
    one = {"status": 503, "workspace": names}
    plan = {"faults": [{"slow": 5, "workspace": names}, {"lag": 1, "workspace": names}]}
    [first] = request(emulator, "POST", PATH, body=one)["faults"]
    added = request(emulator, "POST", PATH, body=plan)["faults"]
    mine = f"{PATH}?workspace={names}"
    found = request(emulator, "GET", mine)["faults"]
    assert [each["id"] for each in found] == [first["id"], *(each["id"] for each in added)]
    assert request(emulator, "DELETE", f"{PATH}/{first['id']}") == {"removed": 1}
    with pytest.raises(EmulatorError, match=f"No fault in force has the number '{first['id']}'"):
        request(emulator, "DELETE", f"{PATH}/{first['id']}")
    assert request(emulator, "DELETE", mine) == {"removed": 2}
    assert request(emulator, "GET", mine)["faults"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "message"),
    [
        ("POST", PATH, {"stauts": 429}, "there is no key 'stauts'. Did you mean 'status'?"),
        ("POST", PATH, {"faults": [{"slow": 0}]}, "faults[0]: 'slow' has to be"),
        ("PUT", PATH, {"status": 429}, "an object with one key"),
        ("GET", f"{PATH}?workspace=w", None, "SUBSCRIPTION/GROUP/WORKSPACE, not 'w'"),
        ("DELETE", f"{PATH}/x", None, "No fault in force has the number 'x'"),
        ("GET", "/_emulator/journal?since=x", None, "'since' has to be a whole number"),
        ("GET", "/_emulator/journal?limit=-1", None, "'limit' has to be a whole number"),
        ("GET", "/_emulator/journal?workspace=w", None, "not 'w'"),
    ],
)
def test_a_mistake_is_refused_with_its_reason(
    emulator: Any, method: str, path: str, body: Any, message: str
) -> None:
    with pytest.raises(EmulatorError) as caught:
        request(emulator, method, path, body=body)
    assert message in str(caught.value)


def test_a_body_that_is_no_json_is_refused(emulator: Any) -> None:
    answer = requests.post(
        f"{emulator.address}{PATH}",
        data="{",
        headers={"X-Emulator-Secret": emulator.client_secret},
        timeout=10,
    )
    assert answer.status_code == 400
    assert "not valid JSON" in answer.json()["error"]["message"]


def test_the_command_line_adds_lists_and_clears(run: Run, ask: Any, names: str) -> None:
    route = ("--route", "GET */jobs", "--workspace", names)
    added = run("faults", "add", *route, "--status", "429", "--retry-after", "0.5", "--count", "1")
    assert added.exit_code == 0, added.output
    assert "status=429  retry_after=0.5  route=GET */jobs" in added.output
    run("faults", "add", *route, "--status", "502", "--html")
    answers = [ask("GET", "/jobs") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [429, 502]
    assert answers[0].headers["Retry-After"] == "0.5"
    listed = json.loads(run("faults", "list", "--json").output)
    mine = [each for each in listed if names.lower().split("/")[2] in each.get("workspace", "")]
    assert [each["struck"] for each in mine] == [1, 1]
    assert run("faults", "clear", str(mine[0]["id"])).output == "1 fault removed.\n"
    assert run("faults", "clear", "--workspace", names).output == "1 fault removed.\n"
    assert ask("GET", "/jobs").status_code == 200


def test_effects_without_a_value_are_switches(run: Run, names: str) -> None:
    for effect in ("--hang", "--truncate", "--expired-token", "--expired-sas"):
        added = run("faults", "add", effect, "--workspace", names, "--route", "GET */none")
        assert added.exit_code == 0, added.output
    assert run("faults", "clear", "--workspace", names).output == "4 faults removed.\n"


def test_a_file_of_faults_is_put_into_force(run: Run, ask: Any, names: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(f"faults:\n  - status: 503\n    workspace: {names}\n    route: GET */jobs\n")
    assert run("faults", "add", str(file)).exit_code == 0
    assert ask("GET", "/jobs").status_code == 503
    assert run("faults", "clear", "--workspace", names).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "exactly one effect, and it has none"),
        (("--status", "fast"), "'status' has to be an HTTP status from 400 to 599"),
        (("--status", "429", "--reset", "before"), "it has status and reset"),
        (("--status", "429", "--workspace", "w"), "SUBSCRIPTION/GROUP/WORKSPACE, not 'w'"),
        (("plan.yaml", "--status", "429"), "Give a file or options, not both."),
        (("plan.yaml",), "'faults[0]' "),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Any, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.yaml").write_text("faults: [{nonsense: 1}]")
    result = run("faults", "add", *arguments)
    assert result.exit_code != 0
    assert message.replace("'faults[0]' ", "faults[0]: there is no key 'nonsense'") in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "arguments", [("faults", "list"), ("faults", "clear"), ("journal", "--follow")]
)
def test_without_an_emulator_the_command_line_says_so(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Any
) -> None:
    monkeypatch.setenv("MLFLOW_AZUREML_EMULATOR_ROOT", str(tmp_path / "none"))
    result = run(*arguments)
    assert result.exit_code == 1
    assert "The emulator is not running. Start it with: mlflow-azureml emulator start" in (
        result.output
    )


@pytest.fixture
def own_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    root = tmp_path / "root"
    monkeypatch.setenv("MLFLOW_AZUREML_EMULATOR_ROOT", str(root))
    yield root
    lifecycle.stop(root)


def test_an_emulator_starts_with_faults_and_without_a_way_out(
    run: Run, own_root: Path, tmp_path: Path
) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("faults: [{service: login, status: 503, count: 1}, {slow: 100000}]")
    started = run("start", "--runtime", "host", "--faults", str(file), "--no-pass-through")
    assert started.exit_code == 0, started.output
    endpoint = lifecycle.running(own_root)
    assert endpoint is not None
    assert len(request(endpoint, "GET", PATH)["faults"]) == 2
    url = f"{endpoint.authority}/common/discovery/instance"
    options: Any = {
        "proxies": {"https": endpoint.proxy, "http": endpoint.proxy},
        "verify": endpoint.ca_file,
        "timeout": 30,
    }
    assert requests.get(url, **options).status_code == 503
    assert requests.get(url, **options).status_code == 200
    with pytest.raises(requests.exceptions.ProxyError, match=r"403 127\.0\.0\.1 is not a host of"):
        requests.get("https://127.0.0.1:1/", **options)
    plain = requests.get("http://127.0.0.1:1/simple?q=hidden", **options)
    assert plain.status_code == 403
    assert "--no-pass-through" in plain.text
    health = requests.get(f"{endpoint.address}/_emulator/health", **options)
    assert health.json()["pid"] == endpoint.pid
    with pytest.raises(requests.exceptions.ProxyError, match=r"403 registry\.azurecr\.io is a"):
        requests.get("https://registry.azurecr.io/v2/", **options)
    told = [
        (each["method"], each["host"], each["path"], each["status"])
        for each in request(endpoint, "GET", "/_emulator/journal")["entries"]
    ]
    assert ("CONNECT", "127.0.0.1", "", 403) in told
    assert ("CONNECT", "registry.azurecr.io", "", 403) in told
    assert ("GET", "127.0.0.1", "/simple", 403) in told


def test_a_plan_that_is_wrong_starts_no_emulator(run: Run, own_root: Path, tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text("faults: [{status: 200}]")
    result = run("start", "--runtime", "host", "--faults", str(file))
    assert result.exit_code == 1
    assert "faults[0]: 'status' has to be an HTTP status from 400 to 599, not 200." in result.output
    assert lifecycle.running(own_root) is None

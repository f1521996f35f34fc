"""The runtime `conda`: real packages of a real channel, solved and installed without conda."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import subprocess
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from mlflow_azureml_backend.emulator import certificates, lifecycle
from mlflow_azureml_backend.emulator.runtimes import BuildError, EnvironmentSpec
from mlflow_azureml_backend.emulator.runtimes.conda import CondaRuntime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mlflow_azureml_backend.emulator.endpoint import Endpoint
    from mlflow_azureml_backend.emulator.runtimes import Interpreter

pytestmark = pytest.mark.slow

IMAGE = "mcr.microsoft.com/azureml/base"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    root = tmp_path_factory.mktemp("conda") / "root"
    yield lifecycle.start(root, runtime="conda", dwell_seconds=0, idle_seconds=3600)
    lifecycle.stop(root)


def conda_file(channel: Any, *dependencies: Any, **more: Any) -> str:
    return json.dumps({"channels": [channel.url], "dependencies": [*dependencies], **more})


def prepare(runtime: CondaRuntime, text: str | None) -> tuple[Interpreter, str]:
    log = io.StringIO()
    spec = EnvironmentSpec(name="e", version="1", conda_file=text, image=IMAGE)
    return runtime.prepare(spec, log), log.getvalue()


def explanation(runtime: CondaRuntime, text: str | None) -> str:
    log = io.StringIO()
    spec = EnvironmentSpec(name="e", version="1", conda_file=text, image=IMAGE)
    with pytest.raises(BuildError) as error:
        runtime.prepare(spec, log)
    assert error.value.explanation.strip() in log.getvalue()
    return error.value.explanation


def printed_by(interpreter: Interpreter, *command: str) -> str:
    program, *arguments = command
    path = f"{interpreter.bin}:/usr/bin:/bin"
    done = subprocess.run(
        [str(interpreter.bin / program), *arguments],
        env={"PATH": path, **interpreter.variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def add_wheel(channel: Any, name: str, version: str) -> None:
    """Put a wheel where pip finds it, beside the conda packages."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = '{version}'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(channel.folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        record = [f"{path},sha256={_urlsafe(text)},{len(text)}\n" for path, text in files.items()]
        archive.writestr(f"{info}/RECORD", "".join([*record, f"{info}/RECORD,,\n"]))


def _urlsafe(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def test_a_job_runs_the_program_of_the_version_that_the_solver_chose(
    runs: Any, channel: Any
) -> None:
    environment = runs.add_environment(
        "e", image=IMAGE, condaFile=conda_file(channel, "python", "greeting<2")
    )

    assert runs.run("job", "greet; which python greet; echo $CONDA_PREFIX", environment) == (
        "Completed"
    ), runs.build_log("job")

    greeting, python, program, prefix = runs.log("job").split("\n")[:4]
    assert greeting == "greetings 1.5"
    assert (python, program) == (f"{prefix}/bin/python", f"{prefix}/bin/greet")
    assert "  greeting 1.5 0\n" in runs.build_log("job")
    assert "/noarch/greeting-1.5-0.tar.bz2" in channel.downloads
    assert "/noarch/greeting-2.0-0.tar.bz2" not in channel.downloads


def test_the_pip_section_is_installed_into_the_environment(tmp_path: Path, channel: Any) -> None:
    add_wheel(channel, "bonus", "3.1")
    pip = {"pip": ["--no-index", f"--find-links {channel.url}/", "bonus>=3"]}
    text = conda_file(channel, "python", "greeting=1.0", pip)

    interpreter, log = prepare(CondaRuntime(tmp_path / "environments"), text)

    code = "import bonus, greeting; print(bonus.VERSION); greeting.main()"
    assert printed_by(interpreter, "python", "-c", code) == "3.1\ngreetings 1.0\n"
    assert printed_by(interpreter, "pip", "-V").startswith("pip ")
    assert interpreter.notes == (
        "'pip' is added: the conda file has a pip section and does not name it.",
    )
    assert "bonus==3.1" in log


def test_a_pip_section_that_cannot_be_met_is_explained(tmp_path: Path, channel: Any) -> None:
    text = conda_file(channel, "python", "pip", {"pip": ["--no-index", "bonus"]})

    assert "bonus was not found" in explanation(CondaRuntime(tmp_path / "environments"), text)


def test_an_unsatisfiable_file_fails_the_job_with_the_solver_s_explanation(
    runs: Any, channel: Any
) -> None:
    channel.add("old", "1", {"share/old": channel_file()}, depends=["greeting <1.5"])
    text = conda_file(channel, "old", "greeting >=2")
    environment = runs.add_environment("bad", image=IMAGE, condaFile=text)

    assert runs.run("job", "greet", environment) == "Failed"

    error, log = runs.error("job"), runs.build_log("job")
    assert error.startswith(
        "Image build failed. For more details, check log file azureml-logs/20_image_build_log.txt."
    )
    for text in (error, log):
        assert "old 1 would require" in text
        assert "greeting <1.5, for which no candidates were found" in text
    assert "user_logs/std_log.txt" not in runs.details("job")["logFiles"]


def channel_file() -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(text=b"old\n", mode=0o644, target=None)


def test_ten_jobs_at_once_build_their_environment_once(runs: Any, channel: Any) -> None:
    environment = runs.add_environment(
        "e", image=IMAGE, condaFile=conda_file(channel, "python", "greeting=2.0")
    )
    names = [f"job-{number}" for number in range(10)]
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda name: runs.submit(name, "greet", environment), names))

    assert [runs.end_of(name) for name in names] == ["Completed"] * 10
    assert [runs.log(name) for name in names] == ["greetings 2.0\n"] * 10
    logs = [runs.build_log(name) for name in names]
    assert sum("The environment is built.\n" in log for log in logs) == 1
    assert channel.downloads.count("/noarch/greeting-2.0-0.tar.bz2") == 1
    assert channel.asked.count("/noarch/repodata.json") == 1


def test_another_emulator_finds_the_environment_and_asks_the_channel_for_nothing(
    tmp_path: Path, channel: Any
) -> None:
    text = conda_file(channel, "python", "greeting")
    first, _ = prepare(CondaRuntime(tmp_path / "environments"), text)
    channel.asked.clear()

    second, log = prepare(CondaRuntime(tmp_path / "environments"), text)

    assert "It is built already.\n" in log
    assert channel.asked == []
    assert second == first
    assert printed_by(second, "greet") == "greetings 2.0\n"


def test_a_build_that_was_cut_off_is_begun_again(tmp_path: Path, channel: Any) -> None:
    text = conda_file(channel, "python", "greeting")
    interpreter, _ = prepare(CondaRuntime(tmp_path / "environments"), text)
    (interpreter.bin.parent / "emulator-complete.json").unlink()
    (interpreter.bin / "greet").unlink()

    again, log = prepare(CondaRuntime(tmp_path / "environments"), text)

    assert again == interpreter
    assert "The environment is built.\n" in log
    assert printed_by(again, "greet") == "greetings 2.0\n"


def test_another_environment_takes_the_packages_that_were_downloaded_already(
    tmp_path: Path, channel: Any
) -> None:
    runtime = CondaRuntime(tmp_path / "environments")
    one, _ = prepare(runtime, conda_file(channel, "python", "greeting=1.0"))
    channel.asked.clear()

    two, _ = prepare(runtime, conda_file(channel, "python", "greeting=1.0", variables={"A": "b"}))

    assert one.bin != two.bin
    assert channel.downloads == []


def test_activation_scripts_and_the_variables_of_the_file_reach_the_job(
    runs: Any, channel: Any
) -> None:
    script = "export TOOL_DATA=$CONDA_PREFIX/share/tool REQUESTS_CA_BUNDLE=/nowhere\necho hello\n"
    script_file = channel_file()
    script_file.text = script.encode()
    channel.add("tool", "1", {"etc/conda/activate.d/tool.sh": script_file})
    variables = {"FROM_FILE": "a b", "BOTH": "file"}
    text = conda_file(channel, "tool", variables=variables)
    environment = runs.add_environment("e", image=IMAGE, condaFile=text)
    command = 'echo "$TOOL_DATA|$FROM_FILE|$BOTH"; test -s "$REQUESTS_CA_BUNDLE"'

    status = runs.run("job", command, environment, environmentVariables={"BOTH": "job"})

    assert status == "Completed", runs.build_log("job")
    data, from_file, both = runs.log("job").strip().split("|")
    assert data.endswith("/share/tool")
    assert (from_file, both) == ("a b", "job")


def test_the_credentials_of_a_private_channel_are_used_and_not_told(
    tmp_path: Path, make_channel: Callable[..., Any]
) -> None:
    channel = make_channel(password="s3cret")
    channel.add("tool", "1", {"share/tool": channel_file()})
    private = channel.url.replace("://", "://reader:s3cret@")
    text = json.dumps({"channels": [private], "dependencies": ["tool"]})
    runtime = CondaRuntime(tmp_path / "environments")

    interpreter, log = prepare(runtime, text)

    assert (interpreter.bin.parent / "share" / "tool").read_bytes() == b"old\n"
    assert "s3cret" not in log
    assert f"Channel: {channel.url.replace('://', '://***@')}/" in log
    stranger = json.dumps({"channels": [private.replace("s3", "wrong")], "dependencies": ["tool"]})
    failure = explanation(runtime, stranger)
    assert "401" in failure
    assert "wrong" not in failure


def test_the_certificates_of_the_machine_are_trusted(
    tmp_path: Path, make_channel: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificates.prepare(tmp_path / "certificates")
    channel = make_channel(certificate=made.server)
    channel.add("tool", "1", {"share/tool": channel_file()})
    url = f"https://localhost:{channel.port}"
    text = json.dumps({"channels": [url], "dependencies": ["tool"]})
    runtime = CondaRuntime(tmp_path / "environments")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)

    assert "certificate" in explanation(runtime, text)

    monkeypatch.setenv("SSL_CERT_FILE", str(made.bundle))
    prepare(runtime, text)


def test_a_channel_is_named_below_the_alias(
    tmp_path: Path, channel: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_CHANNEL_ALIAS", channel.url)
    (channel.folder / "mine").symlink_to(channel.folder)
    text = json.dumps({"channels": ["mine", "nodefaults"], "dependencies": ["greeting=1.0"]})

    _, log = prepare(CondaRuntime(tmp_path / "environments"), text)

    assert f"Channel: {channel.url}/mine/\n" in log
    assert log.count("Channel:") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "has no conda file, and the emulator's runtime 'conda' cannot run images"),
        ("- a list", "has to be a mapping"),
        ('{"dependencies": ["a >>> 1"], "channels": ["http://127.0.0.1:9"]}', "a >>> 1"),
        ('{"dependencies": ["a"], "channels": ["http://127.0.0.1:9"]}', "127.0.0.1:9"),
        ('{"dependencies": ["a"], "variables": ["x"]}', "'variables' have to be a mapping"),
        ('{"dependencies": ["a"], "channels": "x"}', "'channels' have to be a list"),
    ],
)
def test_what_cannot_be_built_is_explained(tmp_path: Path, text: str | None, expected: str) -> None:
    assert expected in explanation(CondaRuntime(tmp_path / "environments"), text)


def test_a_closed_runtime_builds_nothing_any_more(tmp_path: Path, channel: Any) -> None:
    runtime = CondaRuntime(tmp_path / "environments")
    runtime.close()

    assert explanation(runtime, conda_file(channel, "python")) == "The emulator is stopping."


def test_a_build_that_is_under_way_ends_when_the_runtime_is_closed(
    tmp_path: Path, channel: Any
) -> None:
    runtime = CondaRuntime(tmp_path / "environments")
    channel.opened.clear()
    with ThreadPoolExecutor(1) as pool:
        build = pool.submit(explanation, runtime, conda_file(channel, "python"))
        deadline = time.monotonic() + 60
        while not channel.asked:
            assert time.monotonic() < deadline
            time.sleep(0.01)

        runtime.close()

        assert build.result(timeout=30) == "The emulator is stopping."

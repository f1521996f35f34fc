"""The runtime `docker`: jobs in real containers on a real Docker Engine."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from mlflow_azureml_backend.emulator import lifecycle
from mlflow_azureml_backend.emulator.runtimes.docker_engine import ROOT_LABEL
from mlflow_azureml_backend.emulator.runtimes.docker_options import parse_docker_options
from mlflow_azureml_backend.emulator.runtimes.uv import Uv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mlflow_azureml_backend.emulator.endpoint import Endpoint

pytestmark = pytest.mark.slow

LOG_A_METRIC = """
import json, os, urllib.request
uri = os.environ["MLFLOW_TRACKING_URI"].replace("azureml://", "https://").replace("v1.0", "v2.0")
metric = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "loss", "value": 0.25, "timestamp": 1}
request = urllib.request.Request(
    f"{uri}/api/2.0/mlflow/runs/log-metric",
    json.dumps(metric).encode(),
    {
        "Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}",
        "Content-Type": "application/json",
    },
)
print(urllib.request.urlopen(request).status)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("docker") / "root"


@pytest.fixture(scope="module")
def emulator(root: Path, docker_host: str) -> Iterator[Endpoint]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker_host)
        yield lifecycle.start(root, runtime="docker", dwell_seconds=0, idle_seconds=3600)
        lifecycle.stop(root)


@pytest.fixture(scope="module")
def client(docker_host: str) -> Iterator[Any]:
    import docker

    client = docker.DockerClient(docker_host)
    yield client
    client.close()


@pytest.fixture
def environment(runs: Any, base_image: str) -> str:
    return str(runs.add_environment("base", image=base_image))


@pytest.fixture
def upload(ask: Any, workspace: Any) -> Callable[[str, dict[str, str]], str]:
    """Bring files into the workspace's storage, as a code asset; give the address of the folder."""

    def send(name: str, files: dict[str, str]) -> str:
        version = f"/codes/{name}/versions/1"
        begun = ask("POST", f"{version}/startPendingUpload", {"pendingUploadType": "None"})
        reference = begun.json()["blobReferenceForConsumption"]
        container, _, signature = reference["credential"]["sasUri"].partition("?")
        for path, text in files.items():
            requests.put(
                f"{container}/src/{path}?{signature}",
                data=text.encode(),
                headers={"x-ms-blob-type": "BlockBlob"},
                proxies={"https": workspace.endpoint.proxy},
                verify=workspace.endpoint.ca_file,
                timeout=60,
            ).raise_for_status()
        uri = f"{container}/src"
        ask("PUT", version, {"properties": {"codeUri": uri}}).raise_for_status()
        return uri

    return send


def containers(client: Any, root: Path) -> list[Any]:
    return list(client.containers.list(all=True, filters={"label": f"{ROOT_LABEL}={root}"}))


def test_a_job_runs_in_a_container_of_its_image_with_its_code(
    runs: Any, environment: str, upload: Any, workspace: Any, client: Any, root: Path
) -> None:
    upload("c", {"main.py": "import sys; print('ran', sys.prefix)", "lib/data.txt": "kept"})
    command = (
        "python main.py && cat lib/data.txt && echo && echo $OF_THE_IMAGE$MINE && id -u && "
        "mkdir outputs && echo made > outputs/made && test ! -e /etc/passwd"
    )

    status = runs.run(
        "job",
        command,
        environment,
        codeId=f"{workspace.arm_id}/codes/c/versions/1",
        environmentVariables={"MINE": " and 'mine'"},
    )

    assert status == "Completed", runs.log("job")
    owner = os.getuid()
    assert runs.log("job") == f"ran /opt/python\nkept\n1 and 'mine'\n{owner}\n"
    assert runs.artifacts("job") >= {"outputs/made"}
    assert containers(client, root) == []


def test_a_container_reaches_the_emulator_and_logs_a_metric_to_its_run(
    runs: Any, environment: str, upload: Any, ask: Any, workspace: Any
) -> None:
    upload("c", {"main.py": LOG_A_METRIC})
    code = f"{workspace.arm_id}/codes/c/versions/1"

    status = runs.run("job", "python main.py", environment, codeId=code)

    assert status == "Completed", runs.log("job")
    assert runs.log("job") == "200\n"
    uri = f"https://eastus.api.azureml.ms/mlflow/v2.0{workspace.arm_id}/api/2.0/mlflow"
    run = ask("GET", f"{uri}/runs/get?run_id=job").json()["run"]
    assert [(metric["key"], metric["value"]) for metric in run["data"]["metrics"]] == [
        ("loss", 0.25)
    ]


@pytest.mark.campaign
def test_the_mlflow_plugin_logs_parameters_metrics_and_files_from_a_container(
    runs: Any, base_image: str, client: Any, tmp_path: Path, ask: Any, workspace: Any
) -> None:
    """The packages come from the machine's index: the test reaches it through uv."""
    packages = ["azureml-mlflow==1.62.0.post6", "mlflow-skinny<=3.15.0"]
    site = tmp_path / "context" / "site"
    python = "{}.{}".format(*sys.version_info)
    install = ["pip", "install", "--quiet", "--target", str(site), "--python-version", python]
    Uv(tmp_path).run([*install, *packages], io.StringIO())
    dockerfile = f"FROM {base_image}\nCOPY site /site\nENV PYTHONPATH=/site\n"
    (tmp_path / "context" / "Dockerfile").write_text(dockerfile)
    tag = "mlflow-azureml-test:mlflow"
    client.images.build(path=str(tmp_path / "context"), tag=tag, network_mode="host")
    environment = runs.add_environment("mlflow", image=tag)
    code = (
        "import mlflow; mlflow.log_param('alpha', 1); mlflow.log_metric('loss', 0.5); "
        "mlflow.log_text('kept', 'notes/a.txt')"
    )

    assert runs.run("job", f'python -c "{code}"', environment) == "Completed", runs.log("job")

    uri = f"https://eastus.api.azureml.ms/mlflow/v2.0{workspace.arm_id}/api/2.0/mlflow"
    data = ask("GET", f"{uri}/runs/get?run_id=job").json()["run"]["data"]
    assert [(metric["key"], metric["value"]) for metric in data["metrics"]] == [("loss", 0.5)]
    assert {"key": "alpha", "value": "1"} in data["params"]
    assert "notes/a.txt" in runs.artifacts("job")


def test_the_limits_of_the_job_hold_in_its_container(runs: Any, environment: str) -> None:
    command = (
        "df -k /dev/shm | grep shm; cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us "
        "2> /dev/null; cat /sys/fs/cgroup/memory.max "
        "/sys/fs/cgroup/memory/memory.limit_in_bytes 2> /dev/null; echo $EXTRA; true"
    )
    resources = {"shmSize": "96m", "dockerArgs": "--cpus=0.5 --memory 300m -e EXTRA=1"}

    runs.run("job", command, environment, resources=resources)

    shm, cpus, memory, extra = runs.log("job").splitlines()
    assert shm.split()[1] == str(96 * 1024)
    assert cpus.split()[0] == "50000"
    assert memory == str(300 * 1024 * 1024)
    assert extra == "1"


def test_the_status_code_of_a_container_is_the_job_s(runs: Any, environment: str) -> None:
    assert runs.run("job", "echo out; echo err >&2; exit 7", environment) == "Failed"

    assert "exited with status code 7" in runs.error("job")
    assert runs.log("job") == "out\nerr\n"


def wait_for_log(runs: Any, ask: Any, history: str, name: str, text: str) -> None:
    def has_it() -> bool:
        details = ask("GET", f"{history}/runs/{name}/details").json()
        return "user_logs/std_log.txt" in details["logFiles"] and text in runs.log(name)

    deadline = time.monotonic() + 60
    while not has_it():
        assert time.monotonic() < deadline, runs.details(name)
        time.sleep(0.05)


def test_a_canceled_job_s_container_is_ended_and_may_say_farewell(
    runs: Any, environment: str, ask: Any, jobs: Any, history: str, client: Any, root: Path
) -> None:
    command = "trap 'echo bye; exit 0' TERM; echo here; sleep 1000 & wait"
    runs.submit("job", command, environment)
    wait_for_log(runs, ask, history, "job", "here")
    [container] = containers(client, root)
    assert container.status == "running"

    ask("POST", "/jobs/job/cancel").raise_for_status()

    assert runs.end_of("job") == "Canceled"
    assert runs.log("job") == "here\nbye\n"
    assert containers(client, root) == []


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks into /proc")
def test_no_token_is_on_a_command_line_or_left_in_a_file(
    runs: Any, environment: str, ask: Any, history: str, root: Path
) -> None:
    runs.submit("job", "echo $MLFLOW_TRACKING_TOKEN; echo here; sleep 1000", environment)
    wait_for_log(runs, ask, history, "job", "here")
    token = runs.log("job").splitlines()[0]

    lines = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline")]
    left = [file for file in (root / "jobs").rglob("*.json") if token in file.read_text()]
    ask("POST", "/jobs/job/cancel").raise_for_status()

    assert len(token) > 100
    assert any(b"container import main" in line for line in lines)
    assert not [line for line in lines if token.encode() in line]
    assert left == []
    assert runs.end_of("job") == "Canceled"


def test_a_container_that_nobody_waits_for_is_removed_at_the_next_job(
    runs: Any, environment: str, ask: Any, history: str, client: Any, root: Path
) -> None:
    runs.submit("lost", "echo here; sleep 1000", environment)
    wait_for_log(runs, ask, history, "lost", "here")
    [leader] = [int(file.read_text()) for file in (root / "jobs").rglob("pid")]
    os.killpg(leader, signal.SIGKILL)
    assert runs.end_of("lost") == "Failed"
    assert len(containers(client, root)) == 1

    assert runs.run("next", "true", environment) == "Completed"

    assert containers(client, root) == []


def test_ten_jobs_at_once_build_their_context_once(
    runs: Any, base_image: str, upload: Any, client: Any, tmp_path: Path
) -> None:
    dockerfile = f"FROM {base_image}\nARG http_proxy\nCOPY a.txt /a.txt\nRUN echo {tmp_path}\n"
    uri = upload("context", {"docker/Dockerfile": dockerfile, "a.txt": "of the context\n"})
    build = {"contextUri": uri, "dockerfilePath": "docker/Dockerfile"}
    environment = runs.add_environment("built", build=build)
    names = [f"job-{number}" for number in range(10)]
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda name: runs.submit(name, "cat /a.txt", environment), names))

    assert [runs.end_of(name) for name in names] == ["Completed"] * 10
    assert [runs.log(name) for name in names] == ["of the context\n"] * 10
    logs = [runs.build_log(name) for name in names]
    assert sum("The environment is built.\n" in log for log in logs) == 1
    assert sum("Successfully built" in log for log in logs) == 1
    [tag] = {found for log in logs for found in re.findall(r"mlflow-azureml-emulator:\w+", log)}
    client.images.remove(tag)


def test_a_failing_dockerfile_fails_the_job_with_the_build_s_log(
    runs: Any, base_image: str, upload: Any
) -> None:
    dockerfile = f"FROM {base_image}\nRUN echo so far && ls /not-there\n"
    uri = upload("context", {"Dockerfile": dockerfile})
    environment = runs.add_environment("bad", build={"contextUri": uri})

    assert runs.run("job", "echo never", environment) == "Failed"

    assert "so far" in runs.build_log("job")
    assert "/not-there" in runs.build_log("job")
    assert runs.error("job").startswith("Image build failed.")
    assert "returned a non-zero code: 2" in runs.error("job")
    assert "user_logs/std_log.txt" not in runs.details("job")["logFiles"]


def test_a_build_context_without_its_dockerfile_says_what_it_has(runs: Any, upload: Any) -> None:
    uri = upload("context", {"dockerfile.txt": "FROM scratch"})
    environment = runs.add_environment("bad", build={"contextUri": uri})

    assert runs.run("job", "true", environment) == "Failed"

    assert "has no file 'Dockerfile'; it has: dockerfile.txt" in runs.error("job")
    assert "has no file 'Dockerfile'" in runs.build_log("job")


def test_a_build_context_that_is_not_there_fails_the_job(runs: Any, upload: Any) -> None:
    uri = upload("context", {"a": ""})
    environment = runs.add_environment("bad", build={"contextUri": f"{uri}/not-there"})

    assert runs.run("job", "true", environment) == "Failed"

    assert "is not in the workspace's storage" in runs.error("job")


def test_an_image_that_cannot_be_pulled_fails_the_job(runs: Any) -> None:
    environment = runs.add_environment("gone", image="127.0.0.1:9/nothing:1")

    assert runs.run("job", "true", environment) == "Failed"

    for text in (runs.error("job"), runs.build_log("job")):
        assert "The image '127.0.0.1:9/nothing:1' is not on the Docker Engine" in text
        assert "connection refused" in text


def test_an_image_without_bash_fails_the_job(runs: Any, base_image: str, upload: Any) -> None:
    remove = "import os; os.remove('/bin/bash')"
    dockerfile = f'FROM {base_image}\nRUN ["python", "-c", "{remove}"]\n'
    uri = upload("context", {"Dockerfile": dockerfile})
    environment = runs.add_environment("shell-less", build={"contextUri": uri})

    assert runs.run("job", "true", environment) == "Failed"

    assert "exited with status code 127" in runs.error("job")
    assert "The image has no program 'bash'" in runs.error("job")


def test_a_conda_file_needs_a_base_image_with_conda(runs: Any, base_image: str) -> None:
    environment = runs.add_environment(
        "layered", image=base_image, condaFile="dependencies: [python]"
    )

    assert runs.run("job", "true", environment) == "Failed"

    assert "has none of the programs conda, mamba and micromamba" in runs.error("job")
    assert "has none of the programs conda" in runs.build_log("job")


# Makes an environment for Python alone, in the place and from the file that conda is told.
CONDA = """#!/bin/bash
set -e
test "$1 $2 $3 $4 $6" = "env create --quiet --prefix --file"
grep -q '"dependencies": ."python"' "$7"
exec python -m venv --without-pip "$5"
"""


def test_a_conda_file_becomes_an_environment_of_the_image(
    runs: Any, base_image: str, upload: Any
) -> None:
    allow = "import os; os.chmod('/bin/conda', 0o755)"
    dockerfile = f'FROM {base_image}\nCOPY conda /bin/conda\nRUN python -c "{allow}"\n'
    uri = upload("context", {"Dockerfile": dockerfile, "conda": CONDA})
    environment = runs.add_environment(
        "layered", build={"contextUri": uri}, condaFile="dependencies: [python]"
    )
    command = "python -c 'import sys; print(sys.prefix)'; echo $CONDA_PREFIX"

    assert runs.run("job", command, environment) == "Completed", runs.build_log("job")

    prefix, conda_prefix = runs.log("job").splitlines()
    assert prefix == conda_prefix
    assert prefix.startswith("/azureml-envs/azureml_")


def test_what_a_job_mounts_read_only_is_closed_to_its_container(
    runs: Any, environment: str, upload: Any
) -> None:
    uri = upload("data", {"a.txt": "as it was\n"})
    inputs = {"a": {"jobInputType": "uri_file", "uri": f"{uri}/a.txt", "mode": "ReadOnlyMount"}}
    command = "echo changed > ${{inputs.a}}; cat ${{inputs.a}}; echo mine > here && cat here"

    assert runs.run("job", command, environment, inputs=inputs) == "Completed"

    refusal, *rest = runs.log("job").splitlines()
    assert "Permission denied" in refusal
    assert rest == ["as it was", "mine"]


def test_docker_args_that_are_not_known_fail_the_job_and_say_which_are(
    runs: Any, environment: str
) -> None:
    resources = {"dockerArgs": "--frobnicate 1"}

    assert runs.run("job", "true", environment, resources=resources) == "Failed"

    assert (
        "The job's docker_args cannot be used: unrecognized arguments: --frobnicate 1"
        in runs.error("job")
    )
    assert "The emulator knows: --cpus," in runs.error("job")


def test_a_container_goes_on_when_the_emulator_is_killed(
    tmp_path: Path, docker_host: str, base_image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow_azureml_backend.emulator.jobs.process import JobProcess
    from mlflow_azureml_backend.emulator.runtimes import EnvironmentSpec, Placement
    from mlflow_azureml_backend.emulator.runtimes.docker import DockerRuntime

    monkeypatch.setenv("DOCKER_HOST", docker_host)
    runtime = DockerRuntime(tmp_path / "environments")
    spec = EnvironmentSpec(name="e", version="1", image=base_image)
    with (tmp_path / "build-log").open("w") as log:
        interpreter = runtime.prepare(spec, log)
    folder = tmp_path / "job"
    folder.mkdir()
    os.mkfifo(folder / "go")
    variables = {"PATH": interpreter.variables["PATH"]}
    placement = Placement(name="p", folder=folder, directory=folder, variables=variables)
    command = "echo before; cat go; exit 5"
    # A process of its own starts it and is gone at once.
    if (starter := os.fork()) == 0:
        argv = interpreter.argv(command, placement)
        JobProcess.start(
            folder, argv, directory=folder, environment=variables, log=tmp_path / "log"
        )
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(starter, 0)
    watched = JobProcess(folder)

    (folder / "go").write_text("after\n")

    assert watched.wait(seconds=60)
    assert watched.exit_code == 5
    assert (tmp_path / "log").read_text() == "before\nafter\n"
    watched.close()


def test_docker_args_are_read_as_docker_run_reads_them() -> None:
    options = parse_docker_options(
        "--cpus 1.5 -m 2g --shm-size=1g --ulimit nofile=10:20 -e 'A=b c' -v /x:/y:ro --gpus all",
        shm_size="2g",
    )

    assert options.variables == {"A": "b c"}
    assert options.host["nano_cpus"] == 1_500_000_000
    assert options.host["mem_limit"] == "2g"
    assert options.host["shm_size"] == "1g"
    assert options.host["ulimits"] == [{"Name": "nofile", "Soft": 10, "Hard": 20}]
    assert options.host["binds"] == ["/x:/y:ro"]
    assert options.host["device_requests"][0]["Capabilities"] == [["gpu"]]
    assert parse_docker_options("", shm_size="2g").host == {"shm_size": "2g"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--cpus many", "invalid float value"),
        ("--network bridge", "invalid choice"),
        ("-e NAME", "--env NAME needs a value: NAME=VALUE"),
        ("--ulimit nofile=x", "--ulimit nofile=x is not NAME=SOFT[:HARD]"),
        ("'unbalanced", "No closing quotation"),
        ("positional", "unrecognized arguments: positional"),
    ],
)
def test_wrong_docker_args_are_explained(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)):
        parse_docker_options(text)

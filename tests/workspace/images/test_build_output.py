"""The step that failed is found in what builders of several versions print."""

from __future__ import annotations

import pytest

from mlflow_azureml_backend.errors import ImageError
from mlflow_azureml_backend.workspace.images.build_output import BuildOutput
from mlflow_azureml_backend.workspace.images.engine import NoEngineError
from mlflow_azureml_backend.workspace.images.failures import (
    RegistryRefusedError,
    registry_error,
    registry_of,
)
from mlflow_azureml_backend.workspace.images.progress import shown_progress
from mlflow_azureml_backend.workspace.images.registry import repository_of


class Shown:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)

    def layer(self, name: str, status: str, done: int | None, total: int | None) -> None:
        raise AssertionError(name)


# As buildx 0.12 prints it; that of Docker 20.10 is in the tests with a real engine.
BUILDX = """
#0 building with "default" instance using docker driver
#1 [internal] load build definition from Dockerfile
#1 transferring dockerfile: 102B done
#1 DONE 0.0s
#5 [stage-1 2/4] RUN pip install nothing==9
#6 [stage-1 3/4] RUN true
#6 CACHED
#5 0.512 ERROR: No matching distribution found for nothing==9
#5 0.700 sig=abc%2F
#5 ERROR: process "/bin/sh -c pip install nothing==9" did not complete successfully: exit code: 1
------
 > [stage-1 2/4] RUN pip install nothing==9:
0.512 ERROR: No matching distribution found for nothing==9
------
ERROR: failed to solve: process "/bin/sh -c pip install nothing==9" did not complete: exit code: 1
"""


def test_the_failing_step_of_buildkit_is_named_with_its_lines_and_without_secrets():
    shown = Shown()
    output = BuildOutput(shown)
    for line in BUILDX.splitlines():
        output.buildkit(line + "\n")
    told = output.failure(BUILDX.splitlines()[-1])

    assert told == (
        "The Docker build failed at step `[stage-1 2/4] RUN pip install nothing==9`: ERROR: failed "
        'to solve: process "/bin/sh -c pip install nothing==9" did not complete: exit code: 1. It '
        "printed:\n    ERROR: No matching distribution found for nothing==9\n    sig=***"
    )
    assert shown.lines[1:4] == [
        "#5 [stage-1 2/4] RUN pip install nothing==9",
        "#6 [stage-1 3/4] RUN true",
        "#6 CACHED",
    ]


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("write /var/lib: no space left on device", "The disk is full"),
        ("x509: certificate signed by unknown authority", "does not trust the certificate"),
        ("http: server gave HTTP response to HTTPS client", "r.io:5000 speaks no TLS"),
        ("dial tcp: lookup r.io: no such host", "cannot reach r.io:5000"),
        ("denied: requested access to the resource is denied", "the role AcrPush"),
        ("received unexpected HTTP status: 500", "pushing to r.io:5000/a: received unexpected"),
    ],
)
def test_an_engines_words_become_a_message(words, meaning):
    error = registry_error("pushing to", "r.io:5000/a", words)

    assert meaning in str(error)
    assert not isinstance(error, RegistryRefusedError)


def test_a_login_that_is_refused_can_be_told_from_a_push_that_is():
    for words in ("no basic auth credentials", "unauthorized: authentication required"):
        assert isinstance(registry_error("pushing to", "r.io/a", words), RegistryRefusedError)


@pytest.mark.parametrize(
    ("name", "registry", "repository"),
    [
        ("python:3.11", "docker.io", "python"),
        ("team/project", "docker.io", "team/project"),
        ("localhost/project:1", "localhost", "localhost/project"),
        ("r.io:5000/a/b:1", "r.io:5000", "r.io:5000/a/b"),
        ("r.io/a@sha256:0", "r.io", "r.io/a"),
    ],
)
def test_an_images_name_is_read_as_docker_reads_it(name, registry, repository):
    assert (registry_of(name), repository_of(name)) == (registry, repository)


def tell(progress):
    progress.line("[1/2] RUN true")
    for done in (1, 2):
        progress.layer("0a1b2c", "Pushing", done, 2)
    progress.layer("0a1b2c", "Pushed", None, None)


def test_progress_is_bars_on_a_terminal_lines_elsewhere_and_nothing_without_streaming(
    capsys, monkeypatch
):
    with shown_progress(shown=False) as progress:
        tell(progress)
    assert capsys.readouterr() == ("", "")

    with shown_progress(shown=True) as progress:
        tell(progress)
    lines = ["[1/2] RUN true", "0a1b2c: Pushing", "0a1b2c: Pushed"]
    assert capsys.readouterr() == ("", "".join(f"    {line}\n" for line in lines))

    monkeypatch.setenv("FORCE_COLOR", "1")
    with shown_progress(shown=True) as progress:
        tell(progress)
    out, told = capsys.readouterr()
    assert out == ""
    assert "[1/2] RUN true" in told
    assert "2/2 bytes" in told
    assert "Pushed" in told


def test_without_an_engine_an_image_is_taken_for_a_registrys_and_nothing_is_built(
    tmp_path, monkeypatch
):
    pytest.importorskip("docker")
    from tests.workspace.images.conftest import Machine

    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    machine = Machine(tmp_path, registry=None)

    assert machine.take("team/project:1", auth=None).image == "team/project:1"
    with pytest.raises(NoEngineError, match="Start Docker, or set DOCKER_HOST") as caught:
        machine.build("r.io/team/project", auth=None)
    assert isinstance(caught.value, ImageError)
    assert "--build-image: Azure ML then builds" in str(caught.value)

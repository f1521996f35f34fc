"""Parameters and data of real jobs: what the program is given, and what it leaves behind."""

from __future__ import annotations

import json
import shlex
import sys
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.exceptions import ExecutionException

from mlflow_azureml_backend.job import WorkspaceRef

ROOT = Path(__file__).parents[2]
ARGV = "import json, sys; print(json.dumps(sys.argv[1:]))"
CAT = """\
import os, sys
for path in sys.argv[1:]:
    files = [path] if os.path.isfile(path) else [
        os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names
    ]
    for file in sorted(files):
        with open(file) as stream:
            print(os.path.basename(file), stream.read())
"""
WRITE = """\
import os, sys
model, report = sys.argv[1:]
open(os.path.join(model, "MLmodel"), "w").write("flavors: {}")
open(report, "w").write("fine")
open(os.path.join(os.environ["AZURE_ML_OUTPUT_extra"], "a.txt"), "w").write("by a variable")
os.makedirs("outputs/kept")
open("outputs/kept/b.txt", "w").write("of the run")
"""
HOSTILE = [
    "", " ", "-1", "--flag=x", "a=b", '{"k": ["v", 1, null]}', "it's", '"', "line\nbreak\ttab",
    "ünïcödé λ 日本 🙂", "*", "~", "{a,b}", "$HOME", "$(touch pwned)", "`id`", "; exit 3", "!!",
    "#", "\\", "%s", "${{inputs.p0}}", "{inputs.p0}", "{{p0}}", "$${{{{x}}}}", "'\"'\"'",
]  # fmt: skip
# No NUL: no program can be given one. No lone surrogates: they are no text.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
PYTHON = shlex.quote(sys.executable)


@pytest.fixture
def config(emulator):
    """Name a fresh workspace of the emulator whose jobs run in the Python of the tests."""
    from mlflow_azureml_backend.emulator.administration import request

    ref = {
        "subscription_id": "00000000-0000-0000-0000-000000000000",
        "resource_group": "tests",
        "workspace_name": f"w{uuid.uuid4().hex[:8]}",
    }
    request(emulator, "PUT", f"/_emulator/workspaces/{'/'.join(ref.values())}")
    return {
        "workspace": ref,
        "compute": "cpu-cluster",
        "environment": {"image": "ubuntu:22.04"},
    }


@pytest.fixture
def connection(config):
    from mlflow_azureml_backend.workspace import connect

    return connect(WorkspaceRef(**config["workspace"]))._connection


@pytest.fixture
def jobs(connection):
    """Give the properties of the workspace's jobs, newest first."""

    def read():
        page = connection.arm("GET", "/jobs", api_version="2024-04-01", doing="listing jobs")
        return [job["properties"] for job in page["value"]]

    return read


@pytest.fixture
def project(tmp_path):
    """Write a project of one entry point, and other files."""

    def write(command, parameters=None, **files):
        root = tmp_path / "project"
        root.mkdir()
        entry = {"command": command, "parameters": parameters or {}}
        (root / "MLproject").write_text(json.dumps({"entry_points": {"main": entry}}))
        for name, text in {"argv.py": ARGV, "cat.py": CAT, **files}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return root

    return write


@pytest.fixture
def lines(client, config, capfd):
    """Run a project to its end, and give the lines that the job printed."""
    import mlflow

    def run(root, parameters=None, *, storage_dir=None, **changes):
        submitted = mlflow.projects.run(
            str(root),
            parameters=parameters or {},
            backend="azureml",
            backend_config={**config, **changes},
            experiment_name="sample",
            synchronous=False,
            storage_dir=storage_dir,
        )
        assert submitted.wait(), submitted.outcome
        return capfd.readouterr().out.splitlines()

    return run


def test_a_local_file_and_folder_are_uploaded_once_and_mounted(
    project, lines, jobs, connection, tmp_path, monkeypatch
):
    data = tmp_path / "elsewhere"
    (data / "deep").mkdir(parents=True)
    (data / "a.txt").write_text("one")
    (data / "deep" / "b.txt").write_text("two")
    (data / ".gitignore").write_text("*")
    (tmp_path / "single file.txt").write_text("three")
    (tmp_path / "linked.txt").symlink_to(data / "a.txt")
    monkeypatch.chdir(tmp_path)
    root = project(
        f"{PYTHON} cat.py {{the-folder}} {{inside}} --file={{file}}".replace("--file=", ""),
        {
            "the-folder": "path",
            "file": "path",
            "inside": {"type": "path", "default": "data/in.txt"},
        },
        **{"data/in.txt": "four"},
    )
    values = {"the-folder": "elsewhere", "file": str(tmp_path / "single file.txt")}

    first = lines(root, values)
    second = lines(root, values, inputs={"file": {"mode": "download"}})

    assert first == [
        ".gitignore *",
        "a.txt one",
        "b.txt two",
        "in.txt four",
        "single file.txt three",
    ]
    assert second == first
    newest, oldest = jobs()
    assert "data/in.txt" in newest["command"]
    assert newest["inputs"].keys() == {"the_folder", "file"}
    assert newest["inputs"]["the_folder"]["jobInputType"] == "uri_folder"
    assert oldest["inputs"]["file"]["jobInputType"] == "uri_file"
    assert newest["inputs"]["file"]["uri"] == oldest["inputs"]["file"]["uri"]
    assert {job["inputs"]["file"]["mode"] for job in jobs()} == {"ReadOnlyMount", "Download"}


@settings(
    max_examples=1, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(texts, min_size=40, max_size=40))
def test_every_value_arrives_in_the_program_s_arguments_exactly_as_given(project, lines, drawn):
    values = {f"p{number}": text for number, text in enumerate([*HOSTILE, *drawn])}
    placeholders = "".join(f" {{{name}}} --q='{{{name}}}'" for name in values)
    root = project(f"{PYTHON} argv.py{placeholders} '{{{{x}}}}'", dict.fromkeys(values, "string"))

    [line] = lines(root, {**values, "more-of-it": "$(id) {x}"})

    expected = [part for text in values.values() for part in (text, f"--q={text}")]
    assert json.loads(line) == [*expected, "{x}", "--more-of-it", "$(id) {x}"]


def test_outputs_become_assets_that_the_next_job_reads(project, lines, jobs, tmp_path):
    root = project(
        f"{PYTHON} write.py {{model}} {{outputs.report}}",
        {"model": {"type": "path", "default": "./model"}},
        **{"write.py": WRITE},
    )
    outputs = {
        "model": {"type": "mlflow_model", "name": "wine"},
        "report": {"type": "uri_file", "name": "report", "version": "7"},
        "extra": {"path": "azureml://datastores/workspaceblobstore/paths/kept/extra"},
    }
    lines(root, outputs=outputs)
    [writer] = jobs()
    (root / "MLproject").unlink()
    reader = {
        "parameters": {"model": "uri", "report": "path", "extra": "path"},
        "command": f"{PYTHON} cat.py {{model}} {{report}} {{extra}} {{inputs.web}}",
    }
    (root / "MLproject").write_text(json.dumps({"entry_points": {"main": reader}}))

    printed = lines(
        root,
        {
            "model": "azureml:wine@latest",
            "report": "azureml:report:7",
            "extra": "azureml://datastores/workspaceblobstore/paths/kept/extra",
        },
        inputs={
            "model": {"type": "mlflow_model", "mode": "download"},
            "web": {"path": "write.py", "mode": "direct"},
            "note": "a literal $(id)",
        },
    )

    assert printed[:3] == ["MLmodel flavors: {}", "report fine", "a.txt by a variable"]
    assert writer["outputs"]["report"]["assetVersion"] == "7"
    given = jobs()[0]["inputs"]
    kinds = {name: body["jobInputType"] for name, body in given.items()}
    assert kinds == {
        "model": "mlflow_model",
        "report": "uri_file",
        "extra": "uri_folder",
        "web": "uri_file",
        "note": "literal",
    }
    assert given["note"]["value"] == "a literal $(id)"
    assert given["web"]["uri"].startswith("azureml://subscriptions/")


def test_an_artifact_of_the_user_s_own_store_is_fetched_and_uploaded(
    project, lines, jobs, client, tmp_path
):
    run = client.create_run(client.get_experiment_by_name("sample").experiment_id)
    for name, text in {"data/deep/a b.txt": "one", "data/c.txt": "two", "top.txt": "three"}.items():
        client.log_text(run.info.run_id, text, name)
    root = project(f"{PYTHON} cat.py {{folder}} {{file}}", {"folder": "path", "file": "path"})
    prefix = f"runs:/{run.info.run_id}"
    values = {"folder": f"{prefix}/data", "file": f"{prefix}/top.txt"}

    printed = lines(root, values, storage_dir=str(tmp_path / "storage"))

    assert printed == ["c.txt two", "a b.txt one", "top.txt three"]
    assert {name: given["jobInputType"] for name, given in jobs()[0]["inputs"].items()} == {
        "folder": "uri_folder",
        "file": "uri_file",
    }
    assert len([*(tmp_path / "storage").rglob("*.txt")]) == 3


MISTAKES = {
    "a data asset that is not there": (
        {"data": "azureml:gone:1"},
        {},
        "inputs.data: there is no data asset 'gone:1' in workspace",
    ),
    "a model that is not there": (
        {"data": "azureml:gone@latest"},
        {"inputs": {"data": {"type": "mlflow_model"}}},
        "inputs.data: there is no model 'gone@latest' in workspace",
    ),
    "a datastore that is not there": (
        {"data": "azureml://datastores/gone/paths/x"},
        {},
        "inputs.data: there is no datastore 'gone' in workspace",
    ),
    "a path that is not there": (
        {"data": "azureml://datastores/workspaceblobstore/paths/gone/x.csv"},
        {},
        "inputs.data: there is no 'gone/x.csv' in datastore 'workspaceblobstore' of workspace",
    ),
    "a file that is not there": ({"data": "gone.csv"}, {}, "data that does not exist: 'gone.csv'"),
    "a run that is not there": ({"data": "runs:/gone/x"}, {}, "runs:/gone/x cannot be fetched: "),
    "storage that this machine cannot read": (
        {"data": "s3://bucket/key"},
        {},
        "This machine needs what reads s3: URIs: pip install boto3.",
    ),
    "too much data": (
        {"data": "/large.bin"},
        {"max_input_size": "4 GB"},
        "has 5.0 GB, and 4.0 GB are uploaded at most",
    ),
    "too much code": (
        {"data": "azureml:gone:1"},
        {"snapshot": {"exclude": ["!large.bin"]}},
        "snapshot would have 5.0 GB, and may have 300.0 MB",
    ),
}


@pytest.mark.parametrize(("values", "changes", "words"), MISTAKES.values(), ids=MISTAKES)
def test_data_that_cannot_be_read_is_told_before_anything_is_created(
    values, changes, words, project, lines, jobs, client, monkeypatch
):
    # A package that the tests' own environment may or may not have.
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.setitem(sys.modules, "botocore", None)
    root = project("cat {data}", {"data": "path"}, **{".gitignore": "large.bin"})
    with (root / "large.bin").open("wb") as sparse:
        sparse.truncate(5_000_000_000)
    given = {"data": values["data"].replace("/large.bin", str(root / "large.bin"))}

    with pytest.raises(ExecutionException) as caught:
        lines(root, given, **changes)

    assert words in str(caught.value)
    assert client.search_runs([client.get_experiment_by_name("sample").experiment_id]) == []
    assert jobs() == []


FIT = """\
import argparse, pathlib
parser = argparse.ArgumentParser()
for name in ("--rooms", "--model", "--scale", "houses"):
    parser.add_argument(name, type=pathlib.Path)
given = parser.parse_args()
(given.model / "weights").write_text("1")
print(given.rooms, given.rooms.read_text(), given.scale, given.houses.name)
"""


def test_the_example_of_the_documentation_runs(project, lines, connection, tmp_path):
    page = (ROOT / "docs" / "how-to" / "data.md").read_text(encoding="utf-8")
    mlproject, config = (
        page.split(f"```{language}\n", 1)[1].split("```", 1)[0] for language in ("yaml", "json")
    )
    root = project("", **{"fit.py": FIT, "tables/rooms.csv": "rooms"})
    (root / "MLproject").write_text(mlproject.replace("python ", f"{PYTHON} "))
    (tmp_path / "houses.csv").write_text("houses")
    shown = {key: value for key, value in json.loads(config).items() if key != "workspace"}

    printed = lines(root, {"houses": str(tmp_path / "houses.csv")}, **shown)

    assert printed == ["tables/rooms.csv rooms 0.5 houses.csv"]
    model = connection.arm(
        "GET", "/models/prices/versions/1", api_version="2024-04-01", doing="reading the model"
    )
    assert model["properties"]["modelType"] == "custom_model"

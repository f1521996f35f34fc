"""Parameters and config become the job's inputs and outputs, and stand in its command."""

from pathlib import Path

import pytest
from azure.ai.ml._utils.utils import map_single_brackets_and_warn

from mlflow_azureml_backend.config import read_backend_config
from mlflow_azureml_backend.data_spec import InputSpec, OutputSpec
from mlflow_azureml_backend.errors import ConfigError, ProjectError
from mlflow_azureml_backend.project import (
    EntryPoint,
    EnvironmentKind,
    LocalData,
    Parameter,
    ProjectEnvironment,
    ProjectSpec,
)
from mlflow_azureml_backend.project.data_parameters import unknown_types, with_data_parameters
from mlflow_azureml_backend.translate.command import render_command
from mlflow_azureml_backend.translate.inputs import bind_data

STORE = "azureml://datastores/raw/paths"


def bound(command, parameters=None, values=None, *, local=None, **raw):
    """Give a run's command, inputs and outputs."""
    config, _ = read_backend_config(raw)
    declared = tuple(
        Parameter(name=name, type=kind) if isinstance(kind, str) else Parameter(name=name, **kind)
        for name, kind in (parameters or {}).items()
    )
    entry_point = with_data_parameters(
        EntryPoint(name="main", command=command, parameters=declared), config
    )
    project = ProjectSpec(
        name=None,
        root=Path("/project"),
        uri=".",
        version=None,
        entry_point=entry_point,
        parameters=values or {},
        environment=ProjectEnvironment(kind=EnvironmentKind.NONE),
        local_data=local or {},
    )
    data = bind_data(project, config)
    rendered = render_command(entry_point, project.parameters, data.arguments)
    assert map_single_brackets_and_warn(rendered) == rendered
    return rendered, dict(data.inputs), dict(data.outputs)


def refused(*arguments, **keywords):
    with pytest.raises((ProjectError, ConfigError)) as caught:
        bound(*arguments, **keywords)
    return str(caught.value)


URIS = {
    f"{STORE}/a.csv": "uri_file",
    f"{STORE}/folder": "uri_folder",
    f"{STORE}/folder.v1.parquet/": "uri_folder",
    f"{STORE}/": "uri_folder",
    "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/d/paths/a.csv": "uri_file",
    "azureml:set:2": None,
    "azureml:set@latest": None,
    "azureml:/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices"
    "/workspaces/w/data/set/versions/2": None,
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices"
    "/workspaces/w/data/set/versions/2": None,
    "azureml://registries/r/data/set/versions/2": None,
    "azureml://jobs/j/outputs/artifacts/paths/model": "uri_folder",
    "https://example.com/titanic": "uri_file",
    "https://a.blob.core.windows.net/container/folder": "uri_folder",
    "https://a.blob.core.windows.net/container/a.csv?sv=1&sig=x": "uri_file",
    "wasbs://container@a.blob.core.windows.net/folder": "uri_folder",
    "abfss://container@a.dfs.core.windows.net/a.json": "uri_file",
    "s3://bucket/a.csv": None,
    "gs://bucket/folder": None,
    "runs:/0123/model": None,
    "models:/m/1": None,
    "mlflow-artifacts:/0/1/artifacts/a.csv": None,
}


@pytest.mark.parametrize(("uri", "kind"), URIS.items())
def test_the_uri_of_a_path_parameter_becomes_an_input_of_the_likely_type(uri, kind):
    command, inputs, _ = bound("train {data}", {"data": "path"}, {"data": uri})
    assert command == "train '${{inputs.data}}'"
    assert inputs == {"data": InputSpec(type=kind, path=uri)}


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("azureml:set", "'azureml:set' names nothing in Azure ML. Its forms are azureml:NAME:VER"),
        ("azureml://datastores/raw", "names nothing in Azure ML"),
        ("azureml://datasets/x", "names nothing in Azure ML"),
        ("https:", "names nothing in Azure ML"),
        ("postgres://db/table", "is of a kind that no job can read. Azure ML itself reads azure"),
        ("postgres://db/table", "this machine fetches runs:, models:, mlflow-artifacts:, s3:, gs:"),
        (f"{STORE}/${{{{name}}}}", "has a character that a shell reads"),
        (f"{STORE}/it's", "has a character that a shell reads"),
        ("gone.csv", "names data that does not exist: 'gone.csv'"),
    ],
)
def test_a_uri_that_no_job_can_read_is_refused(uri, words):
    assert words in refused("train {data}", {"data": "path"}, {"data": uri})


@pytest.mark.parametrize("api", ["v1.0", "v2.0"])
def test_an_artifact_of_another_step_is_named_as_azure_ml_reads_it(api):
    workspace = "subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices"
    uri = f"azureml://eastus.api.azureml.ms/mlflow/{api}/{workspace}/workspaces/w/experiments/7"
    _, inputs, _ = bound("{a}", {"a": "path"}, {"a": f"{uri}/runs/step_1/artifacts/data/rows"})
    assert inputs["a"] == InputSpec(
        type="uri_folder",
        path="azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/"
        "workspaceartifactstore/paths/ExperimentRun/dcid.step_1/data/rows",
    )


def test_what_the_config_says_of_a_parameter_goes_before_what_is_likely():
    command, inputs, _ = bound(
        "train --in={training-data}",
        {"training-data": {"type": "uri", "default": f"{STORE}/a.csv"}},
        inputs={"training-data": {"type": "uri_folder", "mode": "download"}},
    )
    assert command == "train --in='${{inputs.training_data}}'"
    expected = InputSpec(type="uri_folder", path=f"{STORE}/a.csv", mode="download")
    assert inputs == {"training_data": expected}


def test_a_typed_value_goes_before_the_config_s_path_and_that_before_the_default():
    parameters = {"a": {"type": "path", "default": "x:y"}, "b": "path"}
    config = {"a": {"path": f"{STORE}/config"}, "b": {"path": f"{STORE}/config"}}
    _, inputs, _ = bound("t {a} {b}", parameters, {"b": f"{STORE}/typed"}, inputs=config)
    assert [given.path for given in inputs.values()] == [f"{STORE}/config", f"{STORE}/typed"]


def test_a_uri_parameter_is_passed_on_unless_the_config_makes_it_an_input():
    command, inputs, _ = bound("train {data}", {"data": "uri"}, {"data": f"{STORE}/a b"})
    assert (command, inputs) == (f"train '{STORE}/a b'", {})


def test_data_of_this_machine_is_an_input_unless_the_snapshot_holds_it():
    local = {
        "a": LocalData(path=Path("/x/it is.csv"), type="uri_file"),
        "b": LocalData(path=Path("/project/data/b c"), type="uri_folder", in_snapshot="data/b c"),
        "c": LocalData(path=Path("/project/-c"), type="uri_file", in_snapshot="-c"),
    }
    values = {"a": "it is.csv", "b": "data/b c", "c": "./-c"}
    command, inputs, _ = bound(
        "t {a} {b} {inputs.b} {c}", dict.fromkeys("abc", "path"), values, local=local
    )
    assert command == "t '${{inputs.a}}' 'data/b c' 'data/b c' ./-c"
    assert inputs == {"a": InputSpec(type="uri_file", path="/x/it is.csv")}


def test_a_parameter_can_be_an_output():
    outputs = {"model": {"type": "mlflow_model", "name": "wine", "version": 3, "mode": "upload"}}
    parameters = {"model": {"type": "path", "default": "./model"}, "log": "string"}
    command, _, made = bound(
        "t {model} {log}",
        parameters,
        {"log": f"{STORE}/log"},
        outputs={**outputs, "log": None},
    )
    assert command == "t '${{outputs.model}}' '${{outputs.log}}'"
    assert made["model"] == OutputSpec(type="mlflow_model", name="wine", version="3", mode="upload")
    assert made["log"] == OutputSpec(path=f"{STORE}/log")


def test_inputs_and_outputs_of_the_config_alone_can_be_named_in_the_command():
    command, inputs, outputs = bound(
        "t {inputs.data} {inputs.note} {outputs.out} {{x}}",
        inputs={"data": {"path": "azureml:set:1"}, "note": "it's $(here)"},
        outputs={"out": {"path": f"{STORE}/${{{{name}}}}"}},
    )
    assert command == """t '${{inputs.data}}' 'it'"'"'s $(here)' '${{outputs.out}}' {x}"""
    assert inputs["note"] == InputSpec(value="it's $(here)")
    assert inputs["note"].as_job_yaml() == "it's $(here)"
    assert inputs["data"].as_job_yaml() == {"path": "azureml:set:1"}
    assert outputs["out"].path == f"{STORE}/${{{{name}}}}"


def test_an_undeclared_parameter_can_be_an_input_too():
    values = {"z": "1", "data": f"{STORE}/a.csv", "out": ""}
    command, inputs, outputs = bound(
        "t", {}, values, inputs={"data": {"type": "uri_file"}}, outputs={"out": None}
    )
    assert command == "t --z 1 --data '${{inputs.data}}' --out '${{outputs.out}}'"
    assert (list(inputs), list(outputs)) == (["data"], ["out"])


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"inputs": {"data": {}}}, "inputs.data of the backend config has no path, and the entry"),
        ({"inputs": {"rate": {"type": "uri_file"}}}, "'rate' is a number (its type is float)"),
        ({"outputs": {"rate": {}}}, "'rate' is a number (its type is float)"),
        ({"inputs": {"a": {}}, "outputs": {"a": {}}}, "cannot be both an input and an output"),
        ({"inputs": {"x.y": "1", "x-y": "2"}}, "are both 'x_y' to Azure ML"),
        ({"inputs": {"x": "${{inputs.a}}"}}, "Azure ML would read an expression"),
        ({"outputs": {"o": {"path": "/mnt/x"}}}, "'/mnt/x' is no place that a job can write to"),
        ({"outputs": {"a": {}}, "values": {"a": "./here"}}, "'a' is an output by the backend"),
    ],
)
def test_what_cannot_be_an_input_or_output_is_named(keywords, words):
    values = {"rate": "1", "a": "azureml:a:1", **keywords.pop("values", {})}
    assert words in refused("t", {"rate": "float", "a": "path"}, values, **keywords)


def test_a_placeholder_of_an_unknown_input_names_those_that_there_are():
    message = refused("t {inputs.dta}", inputs={"data": "1"})
    assert "{inputs.dta} is not a declared parameter" in message
    assert "Declared: inputs.data." in message


def test_an_unknown_type_is_a_string_with_a_warning():
    kinds = {"a": "integer", "b": "str", "c": "zzz", "d": "path", "e": "int"}
    entry_point = EntryPoint(
        name="main",
        command="t",
        parameters=tuple(Parameter(name=name, type=kind) for name, kind in kinds.items()),
    )
    first, second, third = unknown_types(entry_point)
    assert (
        "'a' has the unknown type 'integer' and is taken as a string. Did you mean 'int'" in first
    )
    assert "Did you mean 'string'?" in second
    assert third.endswith("Known: string, path, uri, float, int.")


@pytest.mark.parametrize("value", ["5", "-3", "1e3", "5.0"])
def test_an_int_takes_whole_numbers(value):
    assert bound("t {n}", {"n": "int"}, {"n": value})[0] == f"t {value}"


@pytest.mark.parametrize("value", ["", "1.5", "ten", "inf", "nan"])
def test_an_int_refuses_everything_else(value):
    assert "'n' must be a whole number (its type is int)" in refused(
        "t {n}", {"n": "int"}, {"n": value}
    )

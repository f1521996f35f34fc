"""The steps of a pipeline: what their texts stand for, and everything that is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlflow_azureml_backend.config import read_backend_config
from mlflow_azureml_backend.data_spec import Binding
from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.project.loader import read_project

PROJECT = Path(__file__).parent.parent / "projects" / "multi_step"
PREPARE = {"parameters": {"raw": "{raw}", "rows": "{rows}"}, "outputs": {"data": {}}}


def read(steps, *, entry_point="main", values=None, root=PROJECT, **config):
    read_config, _ = read_backend_config({"steps": steps, **config})
    return read_project(
        str(root),
        version=None,
        entry_point=entry_point,
        parameters=values or {},
        config=read_config,
    )


def train(**parameters):
    return {"prepare": PREPARE, "train": {"parameters": parameters}}


def parameter(project, step, name):
    [found] = [each for each in project.steps[step].entry_point.parameters if each.name == name]
    return found


@pytest.mark.parametrize(
    "text",
    [
        "prepare.data",
        "${{parent.jobs.prepare.outputs.data}}",
        "${{ parent.jobs.prepare.outputs.data }}",
    ],
)
def test_an_output_of_another_step_is_named_in_short_or_in_azure_mls_words(text):
    project = read(train(data=text))

    assert project.steps["train"].bindings == {"data": Binding(step="prepare", name="data")}
    assert parameter(project, "train", "data").default == "${{parent.jobs.prepare.outputs.data}}"


def test_a_text_parameter_takes_an_output_only_in_azure_mls_words():
    short = read(train(data="prepare.data", label="prepare.data"))
    long = read(train(data="prepare.data", label="${{parent.jobs.prepare.outputs.data}}"))

    assert parameter(short, "train", "label").default == "prepare.data"
    assert long.steps["train"].bindings["label"].step == "prepare"


def test_a_parameter_of_the_run_gives_its_value_whatever_that_looks_like():
    value = "${{parent.jobs.prepare.outputs.data}} {rows}"
    project = read(train(data="prepare.data", label="a {label}{{}}"), values={"label": value})

    assert parameter(project, "train", "label").default == f"a {value}{{}}"
    assert set(project.steps["train"].bindings) == {"data"}


def test_data_of_the_run_is_bound_and_what_the_snapshot_holds_is_a_path():
    given = read(train(data="prepare.data"), values={"raw": "https://example.com/raw.csv"})
    kept = read(train(data="prepare.data"))

    assert given.steps["prepare"].bindings == {"raw": Binding(name="raw")}
    assert kept.steps["prepare"].local_data["raw"].in_snapshot == "raw.txt"


def test_a_run_of_steps_needs_no_entry_point_called_main(tmp_path):
    (tmp_path / "MLproject").write_text("entry_points: {only: {command: python x.py}}\n")

    assert list(read({"only": {}}, root=tmp_path).steps) == ["only"]


def test_a_parameter_that_no_step_uses_is_told():
    [warning] = read(train(data="prepare.data", label="x")).warnings

    assert warning == "parameter 'label' of entry point 'main' is used by no step"


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({"tran": {}}, "steps.tran.entry_point: .* no entry point 'tran'"),
        (train(), "steps.train.parameters: entry point 'train' needs a value for data"),
        (train(data="prepar.data"), "'data' names data that does not exist: 'prepar.data'"),
        (train(data="prepare.dat"), "step 'prepare' has no output 'dat'. Did you mean 'data'?"),
        (
            train(data="${{parent.jobs.prepar.outputs.data}}"),
            "there is no step 'prepar'. Did you mean 'prepare'?",
        ),
        (train(data="prepare.data", label="{lable}"), "no parameter 'lable'.* mean 'label'?"),
        (train(data="prepare.data", label="x ${{y}}"), "is no expression of a pipeline"),
        (train(data="prepare.data", label="a } b"), "cannot be filled in"),
        (train(data="prepare.data", label='{"a": 1}'), "Literal braces are written twice"),
        (train(data="${{parent.inputs.nothing}}"), "the run has no parameter 'nothing'"),
        (
            train(data="prepare.data", rate="${{parent.jobs.prepare.outputs.data}}"),
            "steps.train.parameters.rate: the parameter is a number, not data",
        ),
        (
            train(data="prepare.data", other="${{parent.jobs.prepare.outputs.data}}"),
            "entry point 'train' declares no such parameter",
        ),
        (
            {
                "prepare": PREPARE | {"inputs": {"back": "train.model"}},
                "train": {"parameters": {"data": "prepare.data"}, "outputs": {"model": {}}},
            },
            "they wait for each other: (train -> prepare -> train|prepare -> train -> prepare)",
        ),
    ],
)
def test_what_is_wrong_with_a_step_is_said(steps, message):
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        read(steps)


def test_everything_that_is_wrong_is_said_at_once():
    with pytest.raises(ConfigError) as caught:
        read(
            {"tran": {}, "train": {"parameters": {"label": "{lable}"}}},
            values={"extra": "1", "raw": "azureml:x:1"},
        )

    text = str(caught.value)
    assert text.startswith("Backend config: 4 problems:")
    assert "-P extra: entry point 'main' declares no such parameter" in text


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"steps": {}}, "steps: must not be empty"),
        ({"steps": {"Bad-Name": {}}}, "a key must be a name of lower-case letters"),
        (
            {"steps": {"a": {"entry": "x"}}},
            "steps.a.entry: unknown key. Did you mean 'entry_point'",
        ),
        (
            {"steps": {"a": {"outputs": {"m": {"typ": 1}}}}},
            "steps.a.outputs.m.typ: unknown key. Did you mean 'type'",
        ),
        (
            {"steps": {"a": {"resources": {"instance_count": 0}}}},
            "steps.a.resources.instance_count: must be greater than 0",
        ),
        ({"steps": {"a": {}}, "outputs": {"m": {}}}, "`outputs` does not go together with `steps`"),
        ({"steps": {"a": {"compute": "local"}}}, "steps.a.compute: must be a compute of the work"),
    ],
)
def test_a_config_of_steps_is_checked_as_the_rest_of_it(raw, message):
    with pytest.raises(ConfigError) as caught:
        read_backend_config(raw)
    assert message in str(caught.value)

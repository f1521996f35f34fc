"""`inputs`, `outputs` and `snapshot` are read as the job YAML spells them; mistakes are named."""

import pytest

from mlflow_azureml_backend.config import read_backend_config
from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.sizes import parse_size, shown_size


def test_a_literal_is_text_as_azure_ai_ml_spells_it():
    config, _ = read_backend_config({"inputs": {"a": 1, "b": 0.5, "c": True, "d": "x", "e": ""}})
    assert config.inputs == {"a": "1", "b": "0.5", "c": "True", "d": "x", "e": ""}


def test_an_output_without_a_word_has_the_defaults():
    config, _ = read_backend_config({"outputs": {"model": None, "report": {}}})
    assert config.outputs["model"] == config.outputs["report"]
    assert config.outputs["model"].type == "uri_folder"


def test_all_mistakes_are_named_at_once():
    raw = {
        "inputs": {
            "image": {"tpye": "uri_file"},
            "b": ["x"],
            "c": {"mode": "mounted"},
            "d": {"path": ""},
            "": "x",
        },
        "outputs": {"o": "x", "p": {"version": 1}, "q": {"type": "folder"}},
        "snapshot": {"max_size": "big", "exlude": [], "exclude": "*.csv"},
        "max_input_size": 0,
    }
    with pytest.raises(ConfigError) as caught:
        read_backend_config(raw)
    problems = str(caught.value)
    assert problems.startswith("Backend config: 12 problems:")
    for problem in (
        "inputs.image.tpye: unknown key. Did you mean 'type'? Allowed: type, path, mode.",
        "inputs.b: must be text or an object, got ['x'].",
        "inputs.c.mode: must be 'ro_mount', 'rw_mount', 'mount', 'download', 'direct', ",
        "inputs.d.path: must not be empty, got ''.",
        "inputs: a key must not be empty",
        "outputs.o: must be an object of key and value, got 'x'.",
        "outputs.p: has a version and no name to register",
        "outputs.q.type: must be 'uri_file', 'uri_folder', 'mltable', ",
        "snapshot.max_size: must be a size such as '300 MB', got 'big'.",
        "snapshot.exlude: unknown key. Did you mean 'exclude'?",
        "snapshot.exclude: must be a list, got '*.csv'.",
        "max_input_size: must be a size such as '300 MB', got 0.",
    ):
        assert problem in problems


@pytest.mark.parametrize(
    ("text", "size"),
    [("1B", 1), ("300 MB", 300_000_000), ("1.5 gb", 1_500_000_000), (" 2GiB ", 2 << 30)],
)
def test_a_size_is_read_as_people_write_it(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "5", "MB", "-1 MB", "1,5 GB", "1 iB", "1 XB", "1 MB/s"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011  # a text that says no more
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (5e9, "5.0 GB"), (2.5e15, "2500.0 TB")],
)
def test_a_size_is_shown_as_people_read_it(size, text):
    assert shown_size(size) == text

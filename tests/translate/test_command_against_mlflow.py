"""The rendered command is MLflow's own, to the letter, on a POSIX client."""

import re

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from mlflow.exceptions import ExecutionException
from mlflow.projects._project_spec import EntryPoint as MLflowEntryPoint

from mlflow_azureml_backend.errors import ProjectError
from mlflow_azureml_backend.project import EntryPoint, Parameter
from mlflow_azureml_backend.translate.command import render_command

EXPRESSION = re.compile(r"\$\{\{|\{(inputs|outputs|search_space)\.")

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,8}", fullmatch=True)
values = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="ab '\"\\$`{}()=;&|<>*?!~#-\n\t%[]éλ🙂", max_size=20),
    st.sampled_from(
        ["", " ", "-1", "--x", "1e-3", "a=b", '{"k": [1, "é"]}', "$HOME", "`id`", "*.py", "~", "'"]
    ),
)
# Types whose values MLflow takes as they are; uri and float have their own tests below.
plain_types = st.sampled_from(["string", "path", "anything"])


@st.composite
def runs(draw):
    """An entry point with plain parameters, and values for all of them and a few more."""
    declared = draw(st.lists(names, unique=True, max_size=4))
    parameters = {}
    given_values = {}
    for name in declared:
        if draw(st.booleans()):
            parameters[name] = {"type": draw(plain_types), "default": draw(values)}
            if draw(st.booleans()):
                given_values[name] = draw(values)
        else:
            parameters[name] = draw(plain_types)
            given_values[name] = draw(values)
    literals = st.sampled_from(
        ["python train.py", " --x ", " | tee log", "'{{literal}}'", " ", "%"]
    )
    placeholders = [f"{{{name}}}" for name in declared]
    piece = st.one_of(literals, st.sampled_from(placeholders)) if placeholders else literals
    template = "".join(draw(st.lists(piece, max_size=8)))
    given_values |= draw(st.dictionaries(names, values, max_size=3))
    return template, parameters, given_values


def ours(template, parameters, given_values):
    declared = tuple(
        Parameter(name=name, type=spec)
        if isinstance(spec, str)
        else Parameter(name=name, type=spec.get("type", "string"), default=spec.get("default"))
        for name, spec in parameters.items()
    )
    entry_point = EntryPoint(name="main", command=template, parameters=declared)
    return render_command(entry_point, given_values)


def mlflows(template, parameters, given_values):
    return MLflowEntryPoint("main", parameters, template).compute_command(
        given_values, storage_dir=None
    )


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(runs())
def test_a_command_is_what_mlflow_would_run(run):
    _template, parameters, given_values = run
    defaults = [spec["default"] for spec in parameters.values() if isinstance(spec, dict)]
    texts = [*given_values, *given_values.values(), *defaults]
    assume(not any(EXPRESSION.search(text) for text in texts))
    assert ours(*run) == mlflows(*run)


# Older releases of MLflow pass a parameter's name to the shell as it is.
mlflow_quotes_names = "'a b'" in mlflows("", {}, {"a b": ""})


@pytest.mark.skipif(not mlflow_quotes_names, reason="this MLflow does not quote names")
@settings(max_examples=100, deadline=None)
@given(st.dictionaries(values, values, max_size=3))
def test_names_of_extra_parameters_are_what_mlflow_would_pass(extra):
    assume(not any(EXPRESSION.search(text) for text in [*extra, *extra.values()]))
    assert ours("train", {}, extra) == mlflows("train", {}, extra)


@settings(max_examples=300, deadline=None)
@given(
    template=st.text(alphabet="ab {}!:", max_size=16),
    value=st.text(alphabet="ab '$", max_size=6),
)
def test_any_template_gives_mlflows_command_or_a_project_error(template, value):
    parameters = {"a": "string", "b": {"type": "string", "default": "B"}}
    try:
        expected = mlflows(template, parameters, {"a": value})
    except (KeyError, IndexError, ValueError):
        with pytest.raises(ProjectError, match="Entry point 'main'"):
            ours(template, parameters, {"a": value})
    else:
        assert ours(template, parameters, {"a": value}) == expected


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(alphabet="az19+.-: /\t\n\\_é", max_size=12),
        st.sampled_from(["s3://b/k", "azureml://x", "file:a", " http://x", "data", "c:\\x", "//h"]),
    )
)
def test_a_uri_parameter_takes_what_mlflow_takes(value):
    parameters = {"data": "uri"}
    try:
        expected = mlflows("cat {data}", parameters, {"data": value})
    except ExecutionException:
        with pytest.raises(ProjectError, match="'data' must be a URI"):
            ours("cat {data}", parameters, {"data": value})
    else:
        assert ours("cat {data}", parameters, {"data": value}) == expected


@settings(max_examples=100, deadline=None)
@given(
    st.one_of(st.floats(), st.integers(), st.sampled_from(["1e-3", " 1 ", "+.5", "nan", "-inf"]))
)
def test_a_float_parameter_passes_every_number_as_it_was_written(value):
    run = ("train {rate}", {"rate": "float"}, {"rate": str(value)})
    assert ours(*run) == mlflows(*run)

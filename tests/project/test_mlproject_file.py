"""An MLproject of the wrong shape is one clear error, not a traceback out of MLflow."""

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlflow_azureml_backend.errors import AzureMLBackendError, ProjectError

MAIN = "entry_points: {main: {command: python t.py}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "is not valid YAML: "),
        ("a: b: c", "is not valid YAML: "),
        ("\tname: x", "is not valid YAML: "),
        ("- main", "the file must be a mapping of key and value"),
        ("just text", "the file must be a mapping of key and value"),
        ("", "the file must be a mapping of key and value"),
        ("entry_points: [main]", "entry_points must be a mapping"),
        ("entry_points:", "entry_points must be a mapping"),
        ("entry_points: {main: python t.py}", "entry_points.main must be a mapping"),
        ("entry_points: {main: }", "entry_points.main must be a mapping"),
        ("entry_points: {main: {}}", "entry_points.main.command must be text"),
        ("entry_points: {main: {command: }}", "entry_points.main.command must be text"),
        ("entry_points: {main: {command: 3}}", "entry_points.main.command must be text"),
        ("entry_points: {main: {command: [a, b]}}", "entry_points.main.command must be text"),
        (
            "entry_points: {main: {command: c, parameters: }}",
            "entry_points.main.parameters must be a mapping",
        ),
        (
            "entry_points: {main: {command: c, parameters: [a]}}",
            "entry_points.main.parameters must be a mapping",
        ),
        (
            "entry_points: {main: {command: c, parameters: {a: }}}",
            "entry_points.main.parameters.a must be a type or {type: …, default: …}",
        ),
        (
            "entry_points: {main: {command: c, parameters: {a: 3}}}",
            "entry_points.main.parameters.a must be a type",
        ),
        (
            "entry_points: {main: {command: c, parameters: {a: [float]}}}",
            "entry_points.main.parameters.a must be a type",
        ),
        (f"docker_env: image:1\n{MAIN}", "docker_env must be a mapping"),
        (f"docker_env: [image:1]\n{MAIN}", "docker_env must be a mapping"),
        (f"docker_env: {{name: x}}\n{MAIN}", "no image"),
        (f"docker_env: {{image: i, environment: A}}\n{MAIN}", "environment must be a list"),
        (f"conda_env: [a.yaml]\n{MAIN}", "conda_env must be text"),
        (f"conda_env: 3\n{MAIN}", "conda_env must be text"),
        (f"python_env: {{python: x}}\n{MAIN}", "python_env must be text"),
        (f"databricks_spark_job: x\n{MAIN}", "databricks_spark_job"),
        (f"conda_env: a.yaml\npython_env: b.yaml\n{MAIN}", "multiple environment fields"),
    ],
)
def test_a_wrong_mlproject_says_what_is_wrong_and_where(write, read, text, message):
    root = write({"MLproject": text})
    with pytest.raises(ProjectError) as caught:
        read(root)
    assert message in str(caught.value)
    assert str(root) in str(caught.value)


def test_an_mlproject_that_is_no_utf8_is_named(write, read):
    root = write({})
    (root / "MLproject").write_bytes(b"name: \xff\xfe\n")
    with pytest.raises(ProjectError, match="MLproject is not valid YAML"):
        read(root)


def test_keys_that_mlflow_does_not_know_are_left_alone(write, read):
    assert read(write({"MLproject": f"renv_env: r.lock\n{MAIN}"})).entry_point.name == "main"


def test_a_name_that_yaml_reads_as_a_number_is_text(write, read):
    assert read(write({"MLproject": f"name: 2024\n{MAIN}"})).name == "2024"


def test_an_entry_point_that_yaml_reads_as_a_number_is_found_by_its_text(write, read):
    root = write({"MLproject": "entry_points: {1: {command: one}, main: {command: m}}"})
    assert read(root, entry_point="1").entry_point.command == "one"
    with pytest.raises(ProjectError, match="MLproject has: 1, main"):
        read(root, entry_point="2")


@pytest.mark.parametrize(
    ("declared", "default"),
    [
        ("{type: float, default: 0.10}", "0.1"),
        ("{type: bool, default: true}", "True"),
        ("{default: x}", "x"),
        ("{type: string, default: ''}", ""),
        ("{type: string, default: }", None),
        ("{type: float}", None),
        ("float", None),
    ],
)
def test_a_default_is_text_as_mlflow_would_print_it(write, read, declared, default):
    root = write(
        {"MLproject": f"entry_points: {{main: {{command: c, parameters: {{a: {declared}}}}}}}"}
    )
    assert read(root, parameters={"a": "v"}).entry_point.parameters[0].default == default


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
yaml_values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)
parameters = st.dictionaries(
    st.text(max_size=4) | st.integers(),
    yaml_values | st.fixed_dictionaries({"type": scalars, "default": yaml_values}),
    max_size=2,
)
entries = st.dictionaries(
    st.just("main") | st.text(max_size=4) | st.booleans(),
    yaml_values | st.fixed_dictionaries({"command": st.text(max_size=6), "parameters": parameters}),
    max_size=3,
)
mlprojects = st.fixed_dictionaries(
    {},
    optional={
        "name": yaml_values,
        "entry_points": entries | yaml_values,
        "docker_env": yaml_values
        | st.fixed_dictionaries(
            {"image": scalars}, optional={"environment": yaml_values, "volumes": yaml_values}
        ),
        "conda_env": yaml_values | st.just("env.yaml"),
        "python_env": yaml_values | st.just("env.yaml"),
        "databricks_spark_job": yaml_values,
    },
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(mlproject=mlprojects, environment=yaml_values)
def test_any_yaml_is_a_project_or_one_of_our_errors(write, read, mlproject, environment):
    root = write(
        {
            "MLproject": yaml.safe_dump(mlproject, allow_unicode=True),
            "env.yaml": yaml.safe_dump(environment, allow_unicode=True),
        }
    )
    try:
        project = read(root)
    except AzureMLBackendError:
        return
    assert project.entry_point.name == "main"
    assert project.name is None or isinstance(project.name, str)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("renv_env: renv.lock", "MLproject: the key 'renv_env' is unknown and ignored."),
        ("kubernetes_env: {a: b}", "MLproject: the key 'kubernetes_env' is unknown and ignored."),
        (
            "conda_evn: c.yaml",
            "the key 'conda_evn' is unknown and ignored. Did you mean 'conda_env'?",
        ),
        ("3: 4", "MLproject: the key '3' is unknown and ignored."),
    ],
)
def test_a_key_that_mlflow_ignores_is_told(write, read, text, warning):
    [told] = read(write({"MLproject": f"{text}\n{MAIN}"})).warnings
    assert warning in told


def test_a_project_of_known_keys_warns_of_nothing(write, read):
    text = f"name: n\ndocker_env: {{image: i}}\n{MAIN}"
    assert read(write({"MLproject": text})).warnings == ()

"""Conda's specs are read as the pip requirement with the same bounds."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from mlflow_azureml_backend.errors import EnvironmentSpecError
from mlflow_azureml_backend.translate.conda_spec import as_requirement, in_order, package_of


@pytest.mark.parametrize(
    ("spec", "requirement"),
    [
        ("mlflow", "mlflow"),
        (" mlflow ", "mlflow"),
        ("mlflow=2.3", "mlflow==2.3.*"),
        ("mlflow=2.3.*", "mlflow==2.3.*"),
        ("mlflow=2.3*", "mlflow==2.3.*"),
        ("mlflow=2.3=py_0", "mlflow==2.3.*"),
        ("mlflow==2.9.2", "mlflow==2.9.2"),
        ("mlflow==2.9.2=py_0", "mlflow==2.9.2"),
        ("mlflow == 2.9.2", "mlflow==2.9.2"),
        ("mlflow 2.3", "mlflow==2.3"),
        ("mlflow 2.3 py_0", "mlflow==2.3"),
        ("mlflow 2.3.*", "mlflow==2.3.*"),
        ("mlflow *", "mlflow"),
        ("mlflow=*", "mlflow"),
        ("mlflow * py_0", "mlflow"),
        ("mlflow>=2.3,<3", "mlflow>=2.3,<3"),
        ("mlflow >= 2.3 , < 3", "mlflow>=2.3,<3"),
        ("mlflow>=2.3.*", "mlflow>=2.3"),
        ("mlflow!=2.4", "mlflow!=2.4"),
        ("mlflow!=2.4.*", "mlflow!=2.4.*"),
        ("mlflow~=2.9.0", "mlflow~=2.9.0"),
        ("mlflow=2.3|2.4", "mlflow"),
        ("mlflow 2.3|>2.4", "mlflow"),
        ("conda-forge::mlflow=2.3", "mlflow==2.3.*"),
        ("conda-forge/linux-64::mlflow", "mlflow"),
        ("https://conda.example.com/main::mlflow<3", "mlflow<3"),
        ("mlflow[version='>=2.3,<3']", "mlflow>=2.3,<3"),
        ('mlflow[build=py_0, version="2.3.*"]', "mlflow==2.3.*"),
        ("mlflow[version=2.3]", "mlflow==2.3"),
        ("mlflow[build=py_0]", "mlflow"),
        ("ruamel.yaml=0.18", "ruamel.yaml==0.18.*"),
        ("_libgcc_mutex=0.1", "_libgcc_mutex==0.1.*"),
    ],
)
def test_a_conda_spec_is_spelled_as_a_pip_requirement(spec, requirement):
    assert as_requirement(spec) == requirement


@pytest.mark.parametrize(
    ("spec", "package"),
    [("pip", "pip"), ("conda-forge::PIP>=22", "pip"), ("pip-tools=7", "pip-tools")],
)
def test_the_package_of_a_spec_is_named_without_channel_and_version(spec, package):
    assert package_of(spec) == package


@pytest.mark.parametrize("spec", ["", "=3.10", "::", "a::", "[version=1]", "-r x.txt", "mlflow[1"])
def test_what_is_no_spec_is_refused(spec):
    with pytest.raises(EnvironmentSpecError, match="is no conda dependency"):
        as_requirement(spec)


bounds = st.tuples(
    st.sampled_from(["==", ">=", "<=", "<", ">", "!=", "~="]),
    st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2}){1,2}", fullmatch=True),
).map("".join)


@given(st.lists(bounds, min_size=1, max_size=3), st.sampled_from(["", "conda-forge::"]))
def test_bounds_that_both_know_are_the_same_bounds(parts, channel):
    spec = as_requirement(f"{channel}mlflow {', '.join(parts)}")
    assert Requirement(spec).specifier == SpecifierSet(",".join(parts))


@given(st.text(max_size=30))
def test_any_text_is_a_requirement_or_one_clear_error(text):
    with contextlib.suppress(EnvironmentSpecError):
        assert as_requirement(text)


def test_the_same_environment_in_another_order_is_the_same_text():
    one = {
        "channels": ["b", "a"],
        "dependencies": ["python=3.11", "pip", {"pip": ["x==1", "--pre", "a"]}, "numpy"],
    }
    other = {
        "channels": ["b", "a"],
        "dependencies": [
            "numpy",
            {"pip": ["a"]},
            "pip",
            "pip",
            "python=3.11",
            {"pip": ["--pre", "x==1"]},
        ],
    }
    assert json.dumps(in_order(one)) == json.dumps(in_order(other))
    assert in_order(one) == {
        "channels": ["b", "a"],
        "dependencies": ["numpy", "pip", "python=3.11", {"pip": ["--pre", "a", "x==1"]}],
    }
    assert in_order({"name": "n"}) == {"name": "n", "dependencies": []}

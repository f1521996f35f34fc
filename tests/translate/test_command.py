"""Parameters are resolved and checked before anything runs."""

import pytest

from mlflow_azureml_backend.errors import ProjectError
from mlflow_azureml_backend.project import EntryPoint, Parameter
from mlflow_azureml_backend.translate.command import render_command, resolve_parameters


def entry_point(command, *parameters):
    return EntryPoint(name="train", command=command, parameters=parameters)


def test_given_values_go_before_defaults_and_the_rest_is_extra():
    declared, extra = resolve_parameters(
        entry_point("x", Parameter(name="a", default="1"), Parameter(name="b", default="2")),
        {"b": "3", "z": "9", "y": "8"},
    )
    assert declared == {"a": "1", "b": "3"}
    assert list(extra.items()) == [("z", "9"), ("y", "8")]


def test_an_empty_value_goes_before_a_default():
    declared, _ = resolve_parameters(entry_point("x", Parameter(name="a", default="1")), {"a": ""})
    assert declared == {"a": ""}


def test_a_parameter_may_be_used_twice_or_not_at_all():
    parameters = (Parameter(name="a"), Parameter(name="b"))
    command = render_command(entry_point("x {a} {a}", *parameters), {"a": "1", "b": "2"})
    assert command == "x 1 1"


def test_extra_parameters_follow_the_command_in_the_order_given():
    command = render_command(entry_point("python t.py"), {"z": "1", "a": "b c"})
    assert command == "python t.py --z 1 --a 'b c'"


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        ("awk '{{print $1}}' {a}", "awk '{print $1}' v"),
        ("x {{{a}}}", "x {v}"),
        ("x {{a}}", "x {a}"),
        ("x {a!s:>3}", "x   v"),
        ("", ""),
    ],
)
def test_doubled_braces_are_literal(template, rendered):
    assert render_command(entry_point(template, Parameter(name="a")), {"a": "v"}) == rendered


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("x {unknown}", r"\{unknown\} is not a declared parameter"),
        ("awk '{print $1}'", r"\{print \$1\} is not a declared parameter"),
        ("x {a.b}", r"\{a\.b\} is not a declared parameter"),
        ("x {a.__class__}", r"\{a\.__class__\} is not a declared parameter"),
        ("x {a.format.__globals__}", r"is not a declared parameter"),
        ("x {a[0]}", r"\{a\[0\]\} is not a declared parameter"),
        ("x {a[key]}", r"\{a\[key\]\} is not a declared parameter"),
        ("x {0}", r"\{0\} is not a declared parameter"),
        ("x {}", "is not a declared parameter"),
        ("x {a", "expected '}'"),
        ("x }", "Single '}'"),
        ("x {a:d}", "Unknown format code 'd'"),
        ("x {a!z}", "conversion"),
    ],
)
def test_a_template_that_cannot_be_filled_in_says_what_is_wrong(template, reason):
    with pytest.raises(ProjectError, match=reason) as caught:
        render_command(entry_point(template, Parameter(name="a")), {"a": "v"})
    message = str(caught.value)
    assert message.startswith("Entry point 'train': the command cannot be filled in: ")
    assert "Declared: a." in message
    assert "Write literal braces twice: {{ }}." in message


def test_a_template_without_parameters_says_that_none_is_declared():
    with pytest.raises(ProjectError, match="Declared: none"):
        render_command(entry_point("x {a}"), {})


def test_a_parameter_may_have_a_dot_or_be_a_number():
    parameters = (Parameter(name="model.depth"), Parameter(name="0"))
    command = render_command(
        entry_point("x {model.depth} {0}", *parameters), {"model.depth": "3", "0": "zero"}
    )
    assert command == "x 3 zero"


@pytest.mark.parametrize("value", ["", "ten", "1,5", "1.0.0", "0x10", "--rate"])
def test_a_float_parameter_refuses_what_is_no_number(value):
    with pytest.raises(ProjectError, match=r"'rate' must be a number .* got "):
        render_command(
            entry_point("x {rate}", Parameter(name="rate", type="float")), {"rate": value}
        )


@pytest.mark.parametrize("value", ["", "data.csv", "/data/x", "./a:b", "://x", "http://[::1"])
def test_a_uri_parameter_refuses_what_is_no_uri(value):
    with pytest.raises(ProjectError, match="'data' must be a URI, got "):
        render_command(entry_point("x {data}", Parameter(name="data", type="uri")), {"data": value})


@pytest.mark.parametrize("declared", ["float", "uri"])
def test_a_wrong_default_is_found_as_a_wrong_value_is(declared):
    with pytest.raises(ProjectError, match="'a' must be"):
        render_command(entry_point("x {a}", Parameter(name="a", type=declared, default="no")), {})


def test_an_extra_parameter_is_not_checked_by_type():
    assert render_command(entry_point("x"), {"rate": "ten"}) == "x --rate ten"

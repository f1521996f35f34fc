"""A command does in a real shell what the user meant, and tells Azure ML nothing else."""

import logging
import subprocess

import pytest
from azure.ai.ml._utils.utils import map_single_brackets_and_warn
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow_azureml_backend.project import EntryPoint, Parameter
from mlflow_azureml_backend.translate.command import render_command, shell_quote

logging.getLogger("azure.ai.ml").setLevel(logging.ERROR)

EXPRESSIONS = [
    "${{inputs.data}}",
    "$${{{{x}}}}",
    "{inputs.data}",
    "{{inputs.data}}",
    "{outputs.model}",
    "{search_space.rate}",
    "'{inputs.a}' ${{outputs.b}}",
    "${{",
    "$$${{{inputs.",
]
HOSTILE = [
    "",
    " ",
    "plain",
    "a=b",
    "two words",
    '{"k": ["v", 1, null]}',
    "it's",
    '"quoted"',
    "'\"'\"'",
    "line\nbreak",
    "carriage\rreturn\ttab",
    "ünïcödé λ 日本 🙂",
    "-1",
    "--flag=x",
    "-",
    "--",
    "*",
    "?[a-z]*",
    "~",
    "{a,b}",
    "$HOME",
    "${HOME}",
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned",
    "| touch pwned",
    "&& touch pwned &",
    "> pwned",
    "!!",
    "#comment",
    "\\",
    "\\n",
    "%s%d",
    *EXPRESSIONS,
]
# No NUL: no program can be given one. No lone surrogates: they are no text.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
nasty = st.lists(
    st.sampled_from(
        ["$", "{", "}", "{{", "inputs.", "outputs.", "search_space.", "'", '"', "\\", "a"]
    ),
    max_size=12,
).map("".join)
values = st.one_of(texts, nasty, st.sampled_from(HOSTILE))


def argv_of(command, cwd):
    """The arguments that `show` is given when bash runs the command."""
    shell = f"show() {{ printf '%s\\0' \"$@\"; }}\n{command}"
    done = subprocess.run(
        ["bash", "-c", shell], cwd=cwd, capture_output=True, check=True, timeout=20
    )
    assert not done.stderr
    return done.stdout.decode().split("\0")[:-1]


def two_parameters(template):
    return EntryPoint(
        name="main", command=template, parameters=(Parameter(name="a"), Parameter(name="b-c"))
    )


@pytest.mark.parametrize("value", HOSTILE)
def test_a_declared_value_arrives_in_argv_exactly_as_given(value, tmp_path):
    command = render_command(two_parameters("show x {a} {b-c}"), {"a": value, "b-c": "end"})
    assert argv_of(command, tmp_path) == ["x", value, "end"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", HOSTILE)
def test_a_default_arrives_in_argv_exactly_as_declared(value, tmp_path):
    entry_point = EntryPoint(
        name="main", command="show {a} end", parameters=(Parameter(name="a", default=value),)
    )
    assert argv_of(render_command(entry_point, {}), tmp_path) == [value, "end"]


@pytest.mark.parametrize("value", HOSTILE)
def test_an_extra_value_arrives_in_argv_exactly_as_given(value, tmp_path):
    command = render_command(EntryPoint(name="main", command="show"), {"extra": value})
    assert argv_of(command, tmp_path) == ["--extra", value]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", HOSTILE)
def test_the_name_of_an_extra_parameter_cannot_become_shell_code(key, tmp_path):
    command = render_command(EntryPoint(name="main", command="show"), {key: "v"})
    assert argv_of(command, tmp_path) == [f"--{key}", "v"]
    assert not list(tmp_path.iterdir())
    assert_no_expression(command)


@settings(max_examples=150, deadline=None)
@given(a=values, b=values, extra=st.dictionaries(values, values, max_size=3))
def test_any_text_arrives_in_argv_exactly_as_given(tmp_path_factory, a, b, extra):
    extra = {key: value for key, value in extra.items() if key not in {"a", "b-c"}}
    command = render_command(two_parameters("show {a} {b-c}"), {"a": a, "b-c": b, **extra})
    options = [part for key, value in extra.items() for part in (f"--{key}", value)]
    assert argv_of(command, tmp_path_factory.getbasetemp()) == [a, b, *options]


@settings(max_examples=250, deadline=None)
@given(
    a=values,
    b=values,
    extra=st.dictionaries(values, values, max_size=3),
    template=st.lists(
        st.sampled_from(
            [
                "show",
                " ",
                "{a}",
                "{b-c}",
                "{{literal}}",
                "$",
                '"',
                "'",
                "inputs.",
                "}}",
                "${{HOME}}",
            ]
        ),
        max_size=8,
    ).map("".join),
)
def test_no_value_becomes_an_azure_ml_expression(a, b, extra, template):
    command = render_command(two_parameters(template), {"a": a, "b-c": b, **extra})
    assert_no_expression(command)


@pytest.mark.parametrize("value", EXPRESSIONS)
def test_a_value_with_an_expression_arrives_as_plain_text(value, tmp_path):
    command = render_command(two_parameters("show {a} {b-c}"), {"a": value, "b-c": f"x{value}y"})
    assert_no_expression(command)
    assert argv_of(command, tmp_path) == [value, f"x{value}y"]


QUOTED_TEMPLATES = {
    "show '{a}'": "{value}",
    'show "{a}"': "{value}",
    "show --steps='{a}'": "--steps={value}",
    'show --steps="{a}"': "--steps={value}",
    "show pre'x{a}y'post": "prex{value}ypost",
    """show 'it'"'"'s:{a}'""": "it's:{value}",
    "show \\'{a}": "'{value}",
    'show "\\"{a}\\""': '"{value}"',
    "# isn't a quote\nshow '{a}'": "{value}",
}


@pytest.mark.parametrize(("template", "argument"), QUOTED_TEMPLATES.items())
def test_values_arrive_as_given_where_the_template_quotes_them(template, argument, tmp_path):
    commands = [
        render_command(two_parameters(template), {"a": value, "b-c": ""}) for value in HOSTILE
    ]
    expected = [argument.replace("{value}", value) for value in HOSTILE]
    assert argv_of("\n".join(commands), tmp_path) == expected
    assert not list(tmp_path.iterdir())
    for command in commands:
        assert_no_expression(command)


def test_a_value_in_a_command_line_for_another_shell_is_quoted_for_that_one(tmp_path):
    inner = "bash -c \"printf '%s' {a}\""
    for value in ("a b", "*", "a;b"):
        command = render_command(two_parameters(inner), {"a": value, "b-c": ""})
        done = subprocess.run(["bash", "-c", command], capture_output=True, check=True, timeout=20)
        assert done.stdout.decode() == value


@pytest.mark.parametrize("template", ["show 'x {a}", "echo isn't {a}", 'show "{a}'])
def test_a_quote_that_is_never_closed_changes_nothing(template):
    assert render_command(two_parameters(template), {"a": "a b"}) == template.replace(
        "{a}", "'a b'"
    )


def test_an_expression_that_the_project_itself_writes_stays_one():
    entry_point = EntryPoint(name="main", command="show ${{{{inputs.data}}}}")
    assert render_command(entry_point, {}) == "show ${{inputs.data}}"


def test_a_quoted_text_is_left_alone_where_nothing_needs_quoting():
    assert shell_quote("outputs/model.pkl") == "outputs/model.pkl"


def assert_no_expression(command):
    assert "${{" not in command
    assert map_single_brackets_and_warn(command) == command

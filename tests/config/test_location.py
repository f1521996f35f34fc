"""The workspace is found in everything that may name one, the most explicit first."""

import json

import pytest

from mlflow_azureml_backend.config import locate_workspace
from mlflow_azureml_backend.config.schema import WorkspaceConfig
from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.job import EMULATOR, WorkspaceRef

AZURE_ML = ["AZUREML_SUBSCRIPTION_ID", "AZUREML_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME"]
IN_A_JOB = ["AZUREML_ARM_SUBSCRIPTION", "AZUREML_ARM_RESOURCEGROUP", "AZUREML_ARM_WORKSPACE_NAME"]
AZURE = ["AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_WORKSPACE_NAME"]


def ref(name):
    return WorkspaceRef(
        subscription_id=f"{name}-s", resource_group=f"{name}-g", workspace_name=f"{name}-w"
    )


def names(name):
    return {
        "subscription_id": f"{name}-s",
        "resource_group": f"{name}-g",
        "workspace_name": f"{name}-w",
    }


def variables(triple, name):
    return dict(zip(triple, names(name).values(), strict=True))


def tracking_uri(name):
    return f"azureml://westeurope.api.azureml.ms/mlflow/v1.0{ref(name).arm_id}?x=y"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project three folders deep, and another folder as the working directory."""
    folder = tmp_path / "a" / "b" / "project"
    folder.mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return folder


def locate(project, named=None, *, uri="sqlite:///mlflow.db", environ=None):
    return locate_workspace(named, tracking_uri=uri, environ=environ or {}, project_root=project)


EVERYTHING = {
    **variables(IN_A_JOB, "job"),
    **variables(AZURE_ML, "azureml"),
    **variables(AZURE, "azure"),
}


@pytest.mark.parametrize(
    ("named", "uri", "gone", "expected"),
    [
        (WorkspaceConfig(**names("inline")), "uri", [], "inline"),
        ("ARM", "uri", [], "arm"),
        ("named.json", "uri", [], "named"),
        ("folder", "uri", [], "folder"),
        (None, "uri", [], "uri"),
        (None, None, [], "job"),
        (None, None, [IN_A_JOB], "azureml"),
        (None, None, [IN_A_JOB, AZURE_ML], "azure"),
        (None, None, [IN_A_JOB, AZURE_ML, AZURE], "upward"),
    ],
)
def test_the_most_explicit_name_wins(project, named, uri, gone, expected):
    write(project / "named.json", names("named"))
    write(project / "folder" / "config.json", names("folder"))
    write(project.parent / "config.json", names("upward"))
    removed = {variable for triple in gone for variable in triple}
    environ = {key: value for key, value in EVERYTHING.items() if key not in removed}
    named = ref("arm").arm_id if named == "ARM" else named
    found = locate(
        project, named, uri=tracking_uri(uri) if uri else "http://localhost", environ=environ
    )
    assert found == ref(expected)


def test_emulator_means_the_emulator_whatever_else_is_named(project):
    write(project / "config.json", names("file"))
    found = locate(project, "emulator", uri=tracking_uri("uri"), environ=EVERYTHING)
    assert found == EMULATOR
    assert found.is_emulated


def test_an_arm_id_is_read_without_regard_to_case(project):
    arm_id = ref("arm").arm_id.replace("resourceGroups", "resourcegroups")
    arm_id = arm_id.replace("MachineLearningServices", "machinelearningservices")
    assert locate(project, arm_id) == ref("arm")


@pytest.mark.parametrize("triple", [IN_A_JOB, AZURE_ML, AZURE])
@pytest.mark.parametrize("missing", range(3))
def test_a_triple_of_variables_counts_only_when_it_is_whole(project, triple, missing):
    environ = variables(triple, "some")
    assert locate(project, environ=environ) == ref("some")
    for cut in ({**environ, triple[missing]: ""}, {**environ}):
        if cut[triple[missing]]:
            del cut[triple[missing]]
        with pytest.raises(ConfigError, match="No workspace is named"):
            locate(project, environ=cut)


def test_an_incomplete_triple_does_not_hide_a_whole_one(project):
    environ = {IN_A_JOB[0]: "x", **variables(AZURE, "azure")}
    assert locate(project, environ=environ) == ref("azure")


@pytest.mark.parametrize("uri", ["http://localhost:5000", "databricks", "sqlite:///x.db", ""])
def test_another_tracking_uri_names_no_workspace(project, uri):
    with pytest.raises(ConfigError, match="No workspace is named"):
        locate(project, uri=uri)


def test_three_names_with_slashes_name_a_workspace_and_a_path_does_not(project):
    subscription = "0a1b2c3d-0000-1111-2222-333344445555"

    found = locate(project, f"{subscription}/the group/w")
    assert found.arm_id.split("/")[2::2] == [
        subscription,
        "the group",
        "Microsoft.MachineLearningServices",
        "w",
    ]
    for other in (f"{subscription}/g", f"{subscription}/g/w/x", "a/b/c"):
        with pytest.raises(ConfigError, match="there is no file"):
            locate(project, other)


def test_the_arm_id_in_a_tracking_uri_of_another_kind_does_not_count(project):
    with pytest.raises(ConfigError, match="No workspace is named"):
        locate(project, uri=f"http://localhost{ref('x').arm_id}")


@pytest.mark.parametrize(
    "where",
    [
        "config.json",
        ".azureml/config.json",
        "../config.json",
        "../.azureml/config.json",
        "../../config.json",
    ],
)
@pytest.mark.parametrize(
    "content",
    [
        names("file"),
        {**names("file"), "more": 1},
        {"Scope": ref("file").arm_id},
        {"scope": ref("file").arm_id},
    ],
    ids=["names", "names and more", "Scope", "scope"],
)
def test_a_config_file_is_found_upward_from_the_project(project, where, content):
    write(project / where, content)
    assert locate(project) == ref("file")


def test_the_nearest_config_file_wins(project):
    write(project / "config.json", names("near"))
    write(project.parent / "config.json", names("far"))
    assert locate(project) == ref("near")


@pytest.mark.parametrize(
    "content",
    [
        {"model": "resnet"},
        [],
        "3",
        {"subscription_id": "s", "resource_group": "g"},
        {**names("x"), "workspace_name": ""},
        {**names("x"), "workspace_name": 3},
        {"Scope": "nonsense"},
        {"Scope": 3},
    ],
)
def test_a_config_file_of_something_else_is_passed_over(project, content):
    write(project / "config.json", content)
    with pytest.raises(ConfigError, match="No workspace is named"):
        locate(project)
    write(project.parent / "config.json", names("far"))
    assert locate(project) == ref("far")


def test_a_config_file_that_is_no_json_is_named(project):
    write(project / "config.json", "{")
    with pytest.raises(ConfigError, match=r"project.config\.json cannot be read"):
        locate(project)


def test_a_config_file_may_begin_with_a_byte_order_mark(project):
    write(project / "config.json", "\ufeff" + json.dumps(names("file")))
    assert locate(project) == ref("file")


def test_a_named_file_is_looked_for_in_the_working_directory_then_in_the_project(project):
    write(project / "w.json", names("project"))
    assert locate(project, "w.json") == ref("project")
    write(project.parent.parent.parent / "elsewhere" / "w.json", names("here"))
    assert locate(project, "w.json") == ref("here")


@pytest.mark.parametrize("where", ["config.json", ".azureml/config.json"])
@pytest.mark.parametrize("base", ["here", "project", "absolute"])
def test_a_named_folder_means_the_config_file_in_it(project, where, base):
    root = project.parent.parent.parent / "elsewhere" if base == "here" else project
    write(root / "ws" / where, names("folder"))
    named = str(root / "ws") if base == "absolute" else "ws"
    assert locate(project, named) == ref("folder")


def test_a_named_file_in_the_home_folder_is_found(project, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    write(tmp_path / "w.json", names("home"))
    assert locate(project, "~/w.json") == ref("home")


def test_a_named_file_that_is_missing_is_an_error_whatever_else_is_named(project):
    write(project / "config.json", names("file"))
    with pytest.raises(ConfigError, match=r"workspace: there is no file .*nowhere\.json"):
        locate(project, "nowhere.json", uri=tracking_uri("uri"), environ=EVERYTHING)


def test_a_named_file_of_something_else_is_an_error(project):
    write(project / "w.json", {"a": 1})
    with pytest.raises(ConfigError, match=r"w\.json does not name a workspace; it must hold"):
        locate(project, "w.json")


def test_nothing_named_says_all_the_ways_to_name_one(project):
    with pytest.raises(ConfigError) as caught:
        locate(project)
    for way in ("backend config", "config.json", "emulator", "azureml://", *AZURE_ML):
        assert way in str(caught.value)

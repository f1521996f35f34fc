"""The run lives in the workspace when MLflow's store is the workspace's, else in the user's."""

from pathlib import Path

import mlflow
import pytest

from mlflow_azureml_backend import __version__
from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.job import EMULATOR, JobHandle, WorkspaceRef
from mlflow_azureml_backend.project import (
    EntryPoint,
    EnvironmentKind,
    GitSource,
    ProjectEnvironment,
    ProjectSpec,
)
from mlflow_azureml_backend.tracking import (
    experiment_name,
    handle_of_run,
    open_run,
    reopen_run,
)
from mlflow_azureml_backend.tracking.choice import Mode, is_workspace_store
from mlflow_azureml_backend.tracking.handle_tags import handle_of, tags_of
from mlflow_azureml_backend.tracking.mirrored_run import MirroredRun
from mlflow_azureml_backend.tracking.run_tags import project_tags
from mlflow_azureml_backend.tracking.shared_run import SharedRun
from mlflow_azureml_backend.tracking.workspace_run import WorkspaceRun

WORKSPACE = WorkspaceRef(subscription_id="s", resource_group="g", workspace_name="w")
OF_WORKSPACE = f"azureml://westeurope.api.azureml.ms/mlflow/v1.0{WORKSPACE.arm_id}"


def project(**changes):
    return ProjectSpec(
        **{
            "name": "p",
            "root": Path("/home/me/project"),
            "uri": ".",
            "version": None,
            "entry_point": EntryPoint(name="train", command="c"),
            "parameters": {},
            "environment": ProjectEnvironment(kind=EnvironmentKind.NONE),
            **changes,
        }
    )


def opened(experiment_id, job_run, **changes):
    return open_run(
        project(),
        **{
            "job_name": "job_1",
            "job_run": job_run,
            "workspace": WORKSPACE,
            "mode": Mode.MIRROR,
            "experiment_id": experiment_id,
            "backend_name": "azureml",
            "run_name": None,
            "parameters": {},
            **changes,
        },
    )


@pytest.mark.parametrize(
    ("uri", "same"),
    [
        (OF_WORKSPACE, True),
        (OF_WORKSPACE.replace("/workspaces/w", "/workspaces/W"), True),
        (OF_WORKSPACE.replace("resourceGroups", "resourcegroups"), True),
        (f"{OF_WORKSPACE}?is-batch=true", True),
        (OF_WORKSPACE.replace("/workspaces/w", "/workspaces/other"), False),
        (f"https://h{WORKSPACE.arm_id}", False),
        ("azureml://nonsense", False),
        ("sqlite:///mlflow.db", False),
        ("", False),
    ],
)
def test_only_the_workspaces_own_tracking_uri_is_the_workspaces_store(uri, same):
    assert is_workspace_store(uri, WORKSPACE) is same


def test_another_store_gets_a_run_of_its_own_with_parameters_and_tags(
    client, experiment_id, job_run
):
    session = opened(
        experiment_id, job_run, run_name="first", parameters={"alpha": "0.5", "extra": ""}
    )
    run = client.get_run(session.run_id)
    assert isinstance(session, MirroredRun)
    assert run.info.experiment_id == experiment_id
    assert run.info.status == "RUNNING"
    assert run.info.run_name == "first"
    assert run.data.params == {"alpha": "0.5", "extra": ""}
    assert run.data.tags["mlflow.project.entryPoint"] == "train"
    assert run.data.tags["mlflow.project.backend"] == "azureml"
    assert run.data.tags["mlflow.source.type"] == "PROJECT"


def test_the_workspaces_store_gets_no_run_before_the_job_is_there(client, experiment_id, job_run):
    session = opened(experiment_id, job_run, mode=Mode.WORKSPACE)
    assert isinstance(session, WorkspaceRun)
    assert session.run_id == "job_1"
    assert client.search_runs([experiment_id]) == []


def test_a_store_that_refuses_the_run_is_a_tracking_error(experiment_id, job_run):
    with pytest.raises(TrackingError, match="No MLflow run could be opened: "):
        opened("987654321", job_run)


@pytest.mark.parametrize(
    ("uri", "kind"), [("sqlite:///x", MirroredRun), (OF_WORKSPACE, WorkspaceRun)]
)
def test_a_run_is_taken_up_again_in_the_store_it_lives_in(run_id, job_run, uri, kind):
    session = reopen_run(run_id, job_run=job_run, workspace=WORKSPACE, tracking_uri=uri)
    assert isinstance(session, kind)
    assert session.run_id == run_id


def test_a_run_that_the_job_shares_is_taken_up_as_such(client, experiment_id, job_run):
    session = opened(experiment_id, job_run, mode=Mode.SHARED)
    again = reopen_run(
        session.run_id, job_run=job_run, workspace=WORKSPACE, tracking_uri="https://h"
    )
    assert isinstance(session, SharedRun)
    assert isinstance(again, SharedRun)
    assert client.get_run(session.run_id).data.tags["azureml.tracking"] == "shared"


def test_a_deleted_experiment_gets_no_run(client, experiment_id, job_run):
    client.delete_experiment(experiment_id)
    with pytest.raises(TrackingError, match=r"No MLflow run could be opened: .*active"):
        opened(experiment_id, job_run)
    client.restore_experiment(experiment_id)
    assert client.search_runs([experiment_id]) == []


def test_a_run_that_the_store_takes_only_half_of_does_not_stay_running(
    client, experiment_id, job_run
):
    with pytest.raises(TrackingError, match="No MLflow run could be opened: "):
        opened(experiment_id, job_run, parameters={"k" * 300: "x"})
    [run] = client.search_runs([experiment_id])
    assert run.info.status == "FAILED"


def test_a_run_in_the_workspace_is_tagged_once_the_job_is_there(client, run_id):
    order = []
    session = WorkspaceRun(
        run_id,
        tags={"mlflow.source.type": "PROJECT"},
        parameters={"alpha": "1"},
        wait_until_readable=lambda: order.append("waited"),
    )
    session.submitted(JobHandle(workspace=WORKSPACE, job_name=run_id))
    data = client.get_run(run_id).data
    assert order == ["waited"]
    assert data.params == {"alpha": "1"}
    assert data.tags["mlflow.source.type"] == "PROJECT"
    assert data.tags["azureml.job_name"] == run_id


def test_a_run_in_the_workspace_that_cannot_be_tagged_names_the_job(experiment_id):
    session = WorkspaceRun("absent", tags={}, parameters={}, wait_until_readable=lambda: None)
    with pytest.raises(TrackingError, match="Job 'absent' was submitted, but"):
        session.submitted(JobHandle(workspace=WORKSPACE, job_name="absent"))


def test_a_handle_is_found_again_from_the_runs_id_alone(run_id, job_run):
    handle = JobHandle(workspace=WORKSPACE, job_name="job_1", studio_url="https://ml.azure.com/x")
    MirroredRun(run_id, job_run).submitted(handle)
    assert handle_of_run(run_id) == handle


@pytest.mark.parametrize("workspace", [WORKSPACE, EMULATOR])
@pytest.mark.parametrize("studio_url", [None, "https://ml.azure.com/x"])
def test_a_handle_survives_being_written_as_tags(workspace, studio_url):
    handle = JobHandle(workspace=workspace, job_name="job_1", studio_url=studio_url)
    assert handle_of("r", tags_of(handle), tracking_uri="sqlite:///x") == handle


@pytest.mark.parametrize("gone", ["azureml.job_name", "azureml.workspace"])
def test_a_run_without_a_job_says_which_tags_it_lacks(gone):
    tags = tags_of(JobHandle(workspace=WORKSPACE, job_name="job_1"))
    del tags[gone]
    with pytest.raises(TrackingError, match="'r' has no Azure ML job: it lacks the tags") as caught:
        handle_of("r", tags, tracking_uri="sqlite:///x")
    assert gone in str(caught.value)


def test_in_the_workspaces_own_store_the_runs_id_is_the_jobs_name():
    handle = handle_of("job_1", {}, tracking_uri=OF_WORKSPACE)
    assert handle == JobHandle(workspace=WORKSPACE, job_name="job_1")


def test_a_run_can_be_traced_to_its_job_before_that_is_submitted(experiment_id, job_run):
    session = opened(experiment_id, job_run)
    assert handle_of_run(session.run_id) == JobHandle(workspace=WORKSPACE, job_name="job_1")


def test_whoever_completes_a_run_knows_which_artifacts_are_wanted(client, experiment_id, job_run):
    session = opened(experiment_id, job_run, mirror_artifacts="all")
    assert client.get_run(session.run_id).data.tags["azureml.mirror_artifacts"] == "all"


def test_a_run_that_does_not_exist_is_named_with_the_store(experiment_id, store):
    with pytest.raises(TrackingError, match="There is no MLflow run 'absent' in ") as caught:
        handle_of_run("absent")
    assert store in str(caught.value)


def test_the_experiments_name_is_looked_up(client, experiment_id):
    assert experiment_name(experiment_id) == client.get_experiment(experiment_id).name
    assert experiment_name(int(experiment_id)) == experiment_name(experiment_id)


def test_an_experiment_that_does_not_exist_is_named(experiment_id):
    with pytest.raises(TrackingError, match="MLflow experiment '987654321': "):
        experiment_name("987654321")


def test_a_project_in_git_is_named_in_the_runs_tags():
    git = GitSource(commit="abc", repo_url="https://h/r.git", branch="main", dirty=True)
    tags = project_tags(
        project(git=git, uri="https://h/r.git#sub"), backend_name="azureml-v2", run_name="n"
    )
    assert tags.pop("mlflow.user", None) != ""
    assert tags == {
        "mlflow.source.name": "https://h/r.git#sub",
        "mlflow.source.type": "PROJECT",
        "mlflow.project.entryPoint": "train",
        "mlflow.project.backend": "azureml-v2",
        "mlflow.runName": "n",
        "mlflow.source.git.commit": "abc",
        "mlflow.source.git.repoURL": "https://h/r.git",
        "mlflow.source.git.branch": "main",
        "azureml.backend_version": __version__,
        "azureml.git.dirty": "True",
    }


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        (".", "/home/me/project"),
        ("/home/me/project", "/home/me/project"),
        ("git@github.com:team/repo.git", "git@github.com:team/repo.git"),
        ("https://h/p.zip", "https://h/p.zip"),
    ],
)
def test_the_source_is_the_uri_or_the_folder(uri, name):
    tags = project_tags(project(uri=uri), backend_name="azureml", run_name=None)
    assert tags["mlflow.source.name"] == name
    assert "mlflow.runName" not in tags
    assert "mlflow.source.git.commit" not in tags


def test_a_run_of_a_program_that_was_given_a_run_is_its_child(run_id, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    tags = project_tags(project(), backend_name="azureml", run_name=None)
    monkeypatch.setenv("MLFLOW_RUN_ID", "of another store")
    others = project_tags(project(), backend_name="azureml", run_name=None)
    assert tags["mlflow.parentRunId"] == run_id
    assert "mlflow.parentRunId" not in others


def test_a_run_inside_a_run_names_its_parent(experiment_id):
    with mlflow.start_run(experiment_id=experiment_id) as parent:
        tags = project_tags(project(), backend_name="azureml", run_name=None)
    assert tags["mlflow.parentRunId"] == parent.info.run_id
    assert "mlflow.parentRunId" not in project_tags(
        project(), backend_name="azureml", run_name=None
    )


@pytest.mark.parametrize("variable", ["MLFLOW_RUN_ID", "AZUREML_RUN_ID"])
def test_a_run_that_an_entry_point_starts_is_the_child_of_its_run(monkeypatch, run_id, variable):
    monkeypatch.setenv(variable, run_id)
    tags = project_tags(project(), backend_name="azureml", run_name=None)
    assert tags["mlflow.parentRunId"] == run_id
    # One of another store is nobody's parent here.
    monkeypatch.setenv(variable, "f" * 32)
    tags = project_tags(project(), backend_name="azureml", run_name=None)
    assert "mlflow.parentRunId" not in tags

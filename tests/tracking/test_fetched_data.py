"""What Azure ML cannot read is fetched; what lies in the workspace's own store is not."""

from pathlib import Path

import mlflow
import pytest

from mlflow_azureml_backend.data_spec import InputSpec
from mlflow_azureml_backend.errors import ProjectError
from mlflow_azureml_backend.job import EnvironmentSpec, JobSpec, WorkspaceRef
from mlflow_azureml_backend.tracking import fetch_data

WORKSPACE = WorkspaceRef(subscription_id="s", resource_group="g", workspace_name="w")
OF_WORKSPACE = f"azureml://westeurope.api.azureml.ms/mlflow/v1.0{WORKSPACE.arm_id}"


@pytest.fixture(scope="module")
def run_id(tmp_path_factory):
    """Give a run with artifacts, in the store of these tests."""
    folder = tmp_path_factory.mktemp("store")
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = mlflow.create_experiment("e", artifact_location=(folder / "a").as_uri())
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_text("12345", "data/deep/a b.txt")
        mlflow.log_text("678", "top.txt")
    yield run.info.run_id
    mlflow.set_tracking_uri(None)


@pytest.fixture
def fetched(run_id, tmp_path):
    notes = []

    def fetch(path, *, tracking_uri="", limit=100, storage_dir=None, **fields):
        spec = JobSpec(
            command="t",
            code=Path(),
            environment=EnvironmentSpec(image="i", origin="test"),
            compute=None,
            experiment_name="e",
            inputs={"data": InputSpec(path=path.format(run=run_id), **fields)},
        )
        data = fetch_data(
            spec,
            tracking_uri=tracking_uri,
            workspace=WORKSPACE,
            storage_dir=storage_dir,
            limit=limit,
            note=notes.append,
        )
        return data, data.spec.inputs["data"], notes

    return fetch


def test_a_folder_is_fetched_and_removed_once_it_is_uploaded(fetched):
    data, given, notes = fetched("runs:/{run}/data")
    file = Path(given.path) / "deep" / "a b.txt"
    assert (file.read_text(), given.type) == ("12345", "uri_folder")
    assert notes[0].endswith("/data (5 B)")
    data.remove()
    assert not file.exists()


def test_what_is_fetched_to_a_folder_of_the_user_s_own_stays_there(fetched, tmp_path):
    data, given, _ = fetched("runs:/{run}/top.txt", storage_dir=str(tmp_path / "new" / "store"))
    data.remove()
    assert Path(given.path).read_text() == "678"
    assert Path(given.path).is_relative_to(tmp_path / "new" / "store")
    assert given.type == "uri_file"


@pytest.mark.parametrize(
    ("path", "fields", "words"),
    [
        ("runs:/{run}/none", {}, "there is nothing at runs:/"),
        ("runs:/{run}/data", {"limit": 4}, "has 5 B, and 4 B are fetched at most"),
        ("runs:/{run}/top.txt", {"limit": 2}, "has 3 B, and 2 B are fetched at most"),
        ("runs:/{run}/top.txt", {"type": "uri_folder"}, "inputs says uri_folder, but"),
        ("models:/none/1", {}, "models:/none/1 cannot be fetched: Registered Model with name=none"),
        ("mlflow-artifacts:/0/x", {}, "cannot be fetched: "),
        ("runs:/{run}/none", {"tracking_uri": OF_WORKSPACE}, "there is nothing at runs:/"),
    ],
)
def test_what_cannot_be_fetched_is_named(fetched, path, fields, words):
    with pytest.raises(ProjectError, match="'data': ") as caught:
        fetched(path, **fields)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("path", "expected", "kind"),
    [
        ("runs:/{run}/data", "azureml://jobs/{run}/outputs/artifacts/paths/data", "uri_folder"),
        ("runs:/{run}/top.txt", "azureml://jobs/{run}/outputs/artifacts/paths/top.txt", "uri_file"),
        ("models:/wine/3", f"azureml:{WORKSPACE.arm_id}/models/wine/versions/3", None),
        ("models:/wine/latest", f"azureml:{WORKSPACE.arm_id}/models/wine/labels/latest", None),
        ("azureml:set:1", "azureml:set:1", None),
    ],
)
def test_what_lies_in_the_workspace_s_own_store_is_not_fetched(
    fetched, run_id, path, expected, kind
):
    _, given, notes = fetched(path, tracking_uri=OF_WORKSPACE)
    assert given == InputSpec(path=expected.format(run=run_id), type=kind)
    assert notes == []

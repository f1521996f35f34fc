"""What was logged to a workspace arrives whole in the user's own store."""

import json
import math
import sqlite3
from pathlib import Path

import mlflow
import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, Metric

from mlflow_azureml_backend.job import JobStatus, RunOutcome, WorkspaceRef
from mlflow_azureml_backend.tracking.handle_tags import MIRROR_ARTIFACTS, MIRRORED
from mlflow_azureml_backend.tracking.mirrored_run import MirroredRun
from tests.tracking.source_workspace import SourceWorkspace

COMPLETED = RunOutcome(status=JobStatus.COMPLETED)


@pytest.fixture
def there(workspace, signed_in, monkeypatch):
    """The workspace that the job logs to."""
    ref = WorkspaceRef(
        subscription_id=workspace.subscription_id,
        resource_group=workspace.resource_group,
        workspace_name=workspace.workspace_name,
    )
    return SourceWorkspace(ref, monkeypatch)


def rows(store):
    """Everything that is in a SQLite store."""
    with sqlite3.connect(store.removeprefix("sqlite:///")) as database:
        tables = [
            name
            for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {
            name: sorted(map(repr, database.execute(f"SELECT * FROM {name}")))
            for name in tables
            if not name.startswith("sqlite_")
        }


def artifact_root(client, run_id):
    return Path(client.get_run(run_id).info.artifact_uri.removeprefix("file://"))


class Doubled(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: list[int]) -> list[int]:
        return [2 * number for number in model_input]


def log_model(there, job, folder):
    """Log a model as MLflow 3 does: with an id and artifacts of its own."""
    model = there.client.create_logged_model(
        there.experiment_id,
        name="doubled",
        source_run_id=job,
        tags={"kind": "test"},
        params={"factor": "2"},
        model_type="toy",
    )
    mlflow.pyfunc.save_model(folder, python_model=Doubled(), pip_requirements=[])
    described = mlflow.models.Model.load(folder)
    described.run_id, described.model_id = job, model.model_id
    described.save(folder / "MLmodel")
    there.upload_folder(model.model_id, folder)
    there.client.log_batch(
        job,
        metrics=[
            Metric("score", 0.75, 1_700_000_000_000, 3, model_id=model.model_id),
            Metric("score", 0.5, 1_700_000_000_000, 2, model_id=model.model_id),
        ],
    )
    there.client.finalize_logged_model(model.model_id, "READY")
    there.client.log_outputs(job, [LoggedModelOutput(model.model_id, step=3)])
    return model


@pytest.mark.slow
def test_a_run_arrives_whole_and_mirroring_it_again_changes_nothing(
    there, client, run_id, store, tmp_path, monkeypatch
):
    job = there.open_run()
    params = {"alpha": "0.5", "ä/日本 x": "ü", "long": "x" * 5000}
    for key, value in params.items():
        there.client.log_param(job, key, value)
    there.client.set_tag(job, "team", "späße")
    points = [Metric("loss", 1 / (step + 1), 1_700_000_000_000 + step, step) for step in range(900)]
    odd = [
        Metric("odd", value, timestamp, step)
        for step, value in enumerate((math.nan, math.inf, -math.inf, -0.0))
        for timestamp in (0, 4_000_000_000_000)
    ]
    there.client.log_batch(job, metrics=points)
    there.client.log_batch(job, metrics=odd)
    dataset = Dataset("iris", "abc123", "http", '{"url": "https://e.org/i"}', "{}", '{"rows": 3}')
    read = DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])
    there.client.log_inputs(job, [read])
    files = {f"plots/{n % 3}/ä {n}.txt": b"x" * n for n in range(40)} | {"root.bin": bytes(9000)}
    there.upload(job, files)
    model = log_model(there, job, tmp_path / "model")
    # As MLflow 2 logs models.
    there.upload_folder(job, tmp_path / "model", below="classic/")
    there.client.set_tag(job, "mlflow.log-model.history", '[{"artifact_path": "classic"}]')
    there.client.set_terminated(job)

    monkeypatch.setattr("mlflow_azureml_backend.tracking.mirrored_artifacts._FILES_A_BATCH", 16)
    monkeypatch.setattr("mlflow_azureml_backend.workspace.tracked_run._PAGE", 400)
    MirroredRun(run_id, there.source(job)).finish(COMPLETED)

    theirs, mine = there.client.get_run(job), client.get_run(run_id)
    assert mine.data.params == theirs.data.params == params
    assert mine.data.tags["team"] == "späße"
    assert mine.info.status == "FINISHED"
    assert mine.info.end_time == max(theirs.info.end_time, mine.info.start_time)
    for key in ("loss", "odd", "score"):
        both = [
            sorted(repr((p.value, p.timestamp, p.step)) for p in c.get_metric_history(r, key))
            for c, r in ((there.client, job), (client, run_id))
        ]
        assert both[0] == both[1]
    (used,) = mine.inputs.dataset_inputs
    assert used.to_dictionary() == theirs.inputs.dataset_inputs[0].to_dictionary()
    root = artifact_root(client, run_id)
    assert {path: (root / path).read_bytes() for path in files} == files

    (copy,) = mlflow.search_logged_models([mine.info.experiment_id], output_format="list")
    assert (copy.name, copy.status.value, copy.model_type) == ("doubled", "READY", "toy")
    assert (copy.source_run_id, copy.params, copy.tags["kind"]) == (run_id, {"factor": "2"}, "test")
    assert sorted((m.value, m.step) for m in copy.metrics) == [(0.5, 2), (0.75, 3)]
    assert [(m.model_id, m.step) for m in mine.outputs.model_outputs] == [(copy.model_id, 3)]
    loaded = mlflow.pyfunc.load_model(f"runs:/{run_id}/doubled")
    assert loaded.predict([4]) == [8]
    assert (loaded.metadata.model_id, loaded.metadata.run_id) == (copy.model_id, run_id)
    assert copy.model_id != model.model_id
    assert mlflow.pyfunc.load_model(f"runs:/{run_id}/classic").predict([4]) == [8]
    assert mine.data.tags["mlflow.log-model.history"] == '[{"artifact_path": "classic"}]'

    before = rows(store)
    changed = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    MirroredRun(run_id, there.source(job)).finish(COMPLETED)
    assert rows(store) == before
    # And also where nothing says that all of it is there.
    client.delete_tag(run_id, MIRRORED)
    MirroredRun(run_id, there.source(job)).finish(COMPLETED)
    assert rows(store) == before
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == changed


@pytest.mark.parametrize(
    ("choice", "copied"), [("none", set()), ("small", {"a.txt"}), ("all", {"a.txt", "large.bin"})]
)
def test_the_config_says_which_artifacts_are_copied_and_the_others_are_listed_with_links(
    there, client, run_id, choice, copied
):
    job = there.open_run()
    there.upload(job, {"a.txt": b"a", "large.bin": bytes(10 * 1024 * 1024 + 1)})
    client.set_tag(run_id, MIRROR_ARTIFACTS, choice)
    client.set_tag(run_id, "azureml.studio_url", "https://ml.azure.com/runs/j")
    MirroredRun(run_id, there.source(job)).finish(COMPLETED)
    root = artifact_root(client, run_id)
    listed = {
        item["path"]: item for item in json.loads((root / "azureml/artifacts.json").read_text())
    }
    assert {path for path, item in listed.items() if item["copied"]} == copied
    assert {path for path in listed if (root / path).exists()} == copied
    for path in listed.keys() - copied:
        assert listed[path]["uri"] == f"azureml://jobs/{job}/outputs/artifacts/paths/{path}"
        assert listed[path]["link"] == "https://ml.azure.com/runs/j"
        assert listed[path]["reason"]

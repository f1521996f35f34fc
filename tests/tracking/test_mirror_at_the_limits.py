"""What is too much, too long or not allowed in the user's store is neither lost nor in the way."""

import json
import math
import struct
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.tracking import MlflowClient

from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.job import JobStatus, RunOutcome
from mlflow_azureml_backend.tracking.batches import batches
from mlflow_azureml_backend.tracking.live_run import LiveRun
from mlflow_azureml_backend.tracking.mirror import Mirror
from mlflow_azureml_backend.tracking.mirrored_run import MirroredRun
from mlflow_azureml_backend.tracking.point_index import PointIndex

COMPLETED = RunOutcome(status=JobStatus.COMPLETED)


@pytest.fixture
def kept(client, run_id):
    """What the artifact holds of that which the store does not take."""

    def read():
        root = Path(client.get_run(run_id).info.artifact_uri.removeprefix("file://"))
        file = root / "azureml/not-mirrored.jsonl"
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]

    return read


@pytest.fixture
def requests_sent(monkeypatch):
    """How much each request to the store holds."""
    sent = []
    log_batch = MlflowClient.log_batch

    def counting(self, run_id, metrics=(), params=(), tags=(), **keywords):
        sent.append((len(metrics), len(params), len(tags)))
        return log_batch(self, run_id, metrics=metrics, params=params, tags=tags, **keywords)

    monkeypatch.setattr(MlflowClient, "log_batch", counting)
    return sent


@given(
    st.lists(
        st.tuples(
            st.one_of(st.floats(), st.sampled_from([-1.0, -2.0, 0.0, -0.0, math.nan])),
            st.integers(-(2**63), 2**63 - 1),
            st.integers(-(2**63), 2**63 - 1),
        )
    )
)
def test_an_index_of_points_tells_what_a_set_of_them_would(points):
    index, known = PointIndex(), set()
    largest = struct.unpack(">d", bytes.fromhex("7fefffffffffffff"))[0]
    for value, timestamp, step in points * 2:
        same = "nan" if math.isnan(value) else max(-largest, min(largest, value)) + 0.0
        assert index.add((value, timestamp, step)) == ((same, timestamp, step) not in known)
        known.add((same, timestamp, step))


def test_an_index_of_many_points_is_small(monkeypatch):
    monkeypatch.setattr("mlflow_azureml_backend.tracking.point_index._MERGED_AT", 64)
    index = PointIndex()
    assert all(index.add((float(step), step, step)) for step in range(1000))
    assert not any(index.add((float(step), step, step)) for step in range(1000))


def test_requests_are_cut_by_number_and_by_weight():
    cut = batches([5, 5, 1, 1, 1, 1, 20, 1], 3, weight=lambda item: item, heaviest=10)
    assert list(cut) == [[5, 5], [1, 1, 1], [1], [20], [1]]


def test_many_metrics_share_their_requests(run_id, job_run, requests_sent):
    for number in range(600):
        job_run.log(f"m{number}", number, step=0)
        job_run.log(f"m{number}", number, step=1)
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert requests_sent == [(1000, 0, 0), (200, 0, 0)]


def test_while_the_job_runs_only_the_end_of_a_history_is_read_again(client, run_id, job_run):
    job_run.page = 100
    for step in range(250):
        job_run.log("loss", step, step=step)
    mirror = Mirror(client, run_id, job_run)
    mirror.update()
    job_run.log("loss", -1, step=250)
    mirror.update()
    assert [place for _, place in job_run.pages_read] == [0, 100, 200, 200]
    assert len(client.get_metric_history(run_id, "loss")) == 251


@pytest.mark.parametrize("key", ["loss%", "a;b", "x" * 251])
def test_a_metric_that_the_store_refuses_is_kept_whole_and_the_others_arrive(
    client, run_id, job_run, kept, caplog, key
):
    for step in range(30):
        job_run.log(key, step, step=step)
        job_run.log("good", step, step=step)
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert len(client.get_metric_history(run_id, "good")) == 30
    assert [(line["kind"], line["key"], line["value"], line["step"]) for line in kept()] == [
        ("metric", key, step, step) for step in range(30)
    ]
    assert f"metric '{key}'" in caplog.text
    assert client.get_run(run_id).data.tags["azureml.mirrored"] == "Completed"


def test_a_point_that_the_store_refuses_does_not_keep_the_others_out(client, run_id, job_run, kept):
    for step in range(30):
        # A clock that was never set: MLflow's own stores take no time before 1970.
        job_run.log("loss", step, step=step, timestamp=-5 if step == 11 else step)
    MirroredRun(run_id, job_run).finish(COMPLETED)
    steps = {point.step for point in client.get_metric_history(run_id, "loss")}
    assert steps == set(range(30)) - {11}
    assert [json.loads(line["value"])["step"] for line in kept()] == [11]


def test_long_values_are_cut_with_a_word_and_kept_whole(client, run_id, job_run, kept, caplog):
    job_run.params = {"fits": "f" * 5000, "long": "ü" * 9000}
    job_run.tags = {"note": "n" * 9000}
    MirroredRun(run_id, job_run).finish(COMPLETED)
    data = client.get_run(run_id).data
    assert data.params == {"fits": "f" * 5000, "long": "ü" * 6000}
    assert data.tags["note"] in {"n" * 5000, "n" * 8000}  # the former before MLflow 3
    assert [(line["key"], line["value"]) for line in kept()] == [
        ("long", "ü" * 9000),
        ("note", "n" * 9000),
    ]
    assert "param 'long' (cut to 6000 of its 9000 characters)" in caplog.text


def test_a_store_that_refuses_long_values_gets_as_much_as_it_takes(
    client, run_id, job_run, kept, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRUNCATE_LONG_VALUES", "false")
    job_run.params = {f"p{number}": "x" for number in range(10)} | {"long": "y" * 9000, "a*b": "z"}
    MirroredRun(run_id, job_run).finish(COMPLETED)
    params = client.get_run(run_id).data.params
    assert params.pop("long") == "y" * 6000
    assert params == {f"p{number}": "x" for number in range(10)}
    assert {line["key"]: line["value"] for line in kept()} == {"long": "y" * 9000, "a*b": "z"}


def test_values_of_many_bytes_are_sent_in_requests_below_a_megabyte(
    client, run_id, job_run, requests_sent
):
    # Each of these is 36,000 bytes of JSON.
    job_run.params = {f"p{number}": "日" * 6000 for number in range(60)}
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert [params for _, params, _ in requests_sent] == [24, 24, 12]
    assert client.get_run(run_id).data.params == job_run.params


def test_a_value_that_the_users_run_had_before_stays_and_the_jobs_is_kept(
    client, run_id, job_run, kept, caplog
):
    client.log_param(run_id, "alpha", "mine")
    job_run.params = {"alpha": "theirs"}
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert client.get_run(run_id).data.params == {"alpha": "mine"}
    assert [line["value"] for line in kept()] == ["theirs"]
    assert not caplog.records


def test_artifacts_go_in_batches_and_what_is_there_is_not_read_again(
    client, run_id, job_run, monkeypatch
):
    monkeypatch.setattr("mlflow_azureml_backend.tracking.mirrored_artifacts._FILES_A_BATCH", 7)
    job_run.files_there = {f"f{n % 3}/{n:02}.txt": b"x" * (n + 1) for n in range(30)}
    job_run.unreadable = {"f2/05.txt": "403"}
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert max(job_run.on_disk) == 7
    assert "azureml.mirrored" not in client.get_run(run_id).data.tags
    assert client.get_run(run_id).info.status == "FINISHED"

    job_run.downloads, job_run.unreadable = [], {}
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert job_run.downloads == ["f2/05.txt"]
    assert client.get_run(run_id).data.tags["azureml.mirrored"] == "Completed"


def test_an_artifact_store_that_takes_nothing_lets_the_run_end_and_is_tried_again(
    client, store, job_run, tmp_path, caplog
):
    folder = tmp_path / "share"
    folder.write_text("not mounted", encoding="utf-8")
    experiment = client.create_experiment(str(tmp_path), artifact_location=folder.as_uri())
    run_id = client.create_run(experiment).info.run_id
    job_run.params = {"alpha": "1"}
    job_run.files_there = {"model/MLmodel": b"m"}
    MirroredRun(run_id, job_run).finish(COMPLETED)
    run = client.get_run(run_id)
    assert (run.info.status, run.data.params) == ("FINISHED", {"alpha": "1"})
    assert f"`mlflow-azureml wait {run_id}` tries it again" in caplog.text
    assert str(folder) in caplog.text

    folder.unlink()
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert (folder / run_id / "artifacts/model/MLmodel").read_bytes() == b"m"
    assert client.get_run(run_id).data.tags["azureml.mirrored"] == "Completed"


def test_a_run_that_was_deleted_says_how_to_have_it_again(client, run_id, job_run):
    client.delete_run(run_id)
    with pytest.raises(TrackingError, match=f"mlflow runs restore --run-id {run_id}"):
        MirroredRun(run_id, job_run).finish(COMPLETED)


def test_a_store_that_is_away_is_told_once_and_so_is_that_it_is_caught_up_with(
    client, run_id, job_run, caplog, monkeypatch
):
    for pause in ("_SECONDS_BETWEEN_LOOKS", "_REST"):
        monkeypatch.setattr(f"mlflow_azureml_backend.tracking.mirrored_run.{pause}", 0)
    job_run.params = {"alpha": "1"}
    client.delete_run(run_id)
    mirror = MirroredRun(run_id, job_run)
    for _ in range(3):
        mirror.update()
    client.restore_run(run_id)
    for _ in range(2):
        mirror.update()
    assert [record.getMessage().partition(" is not ")[0] for record in caplog.records] == [
        f"MLflow run '{run_id}'",
        f"MLflow run '{run_id}' has caught up with its job.",
    ]
    assert client.get_run(run_id).data.params == {"alpha": "1"}


def test_a_logged_model_names_its_files_that_stay_behind(client, run_id, job_run, caplog):
    job_run.models = [
        {
            "info": {"model_id": "m-1", "name": "big", "status": "LOGGED_MODEL_READY"},
            "files": {"MLmodel": b"model_id: m-1\n", "weights.bin": b""},
            "sizes": {"weights.bin": 11 * 1024 * 1024},
        }
    ]
    MirroredRun(run_id, job_run).finish(COMPLETED)
    run = client.get_run(run_id)
    [model] = client.search_logged_models([run.info.experiment_id])
    assert (model.name, model.source_run_id, model.status.value) == ("big", run_id, "READY")
    assert model.tags == {"azureml.logged_model": "m-1", "azureml.not_copied": "weights.bin"}
    assert [file.path for file in client.list_logged_model_artifacts(model.model_id)] == ["MLmodel"]
    assert '"mirror_artifacts": "all"' in caplog.text
    assert run.data.tags["azureml.mirrored"] == "Completed"


def test_a_store_that_hangs_holds_up_nothing_but_the_end(client, run_id, job_run):
    gate, waited, read = threading.Event(), [], job_run.read

    def hanging():
        waited.append(gate.wait(60))
        return read()

    job_run.read = hanging
    job_run.log("loss", 1)
    run = LiveRun(run_id, job_run)
    run.update()
    run.update()
    gate.set()
    run.finish(COMPLETED)
    assert all(waited)
    assert len(client.get_metric_history(run_id, "loss")) == 1
    assert client.get_run(run_id).info.status == "FINISHED"


def test_a_metric_that_ends_with_no_number_is_not_read_at_each_look(client, run_id, job_run):
    job_run.log("loss", "NaN", step=1)
    mirror = Mirror(client, run_id, job_run)
    for _ in range(3):
        mirror.update()
    assert job_run.histories_read == ["loss"]


def test_a_large_history_is_told_with_its_requests(run_id, job_run, monkeypatch):
    monkeypatch.setattr("mlflow_azureml_backend.tracking.mirror._MANY_POINTS", 1000)
    for step in range(1050):
        job_run.log("loss", step, step=step)
    told = []
    MirroredRun(run_id, job_run, tell=told.append).finish(COMPLETED)
    assert told == ["Mirrored     1,050 points in 2 requests, 0 artifacts"]


def test_a_completed_job_whose_run_is_gone_is_told(client, run_id, absent_run, caplog):
    MirroredRun(run_id, absent_run).finish(COMPLETED)
    assert client.get_run(run_id).info.status == "FINISHED"
    assert "There is no such run." in caplog.text

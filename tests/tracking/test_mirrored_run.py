"""The user's run becomes what the job logged, however often it is mirrored and by whom."""

import json
import math
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.tracking import MlflowClient

from mlflow_azureml_backend.errors import ForbiddenError, TrackingError, UnavailableError
from mlflow_azureml_backend.job import JobHandle, JobStatus, RunOutcome, WorkspaceRef
from mlflow_azureml_backend.tracking.mirrored_run import MirroredRun

COMPLETED = RunOutcome(status=JobStatus.COMPLETED)
HANDLE = JobHandle(
    workspace=WorkspaceRef(subscription_id="s", resource_group="g", workspace_name="w"),
    job_name="job_1",
    studio_url="https://ml.azure.com/runs/job_1",
)


@pytest.fixture
def history(client, run_id):
    """Every point of a metric of the user's run: (value, timestamp, step) in order of step."""

    def read(key):
        points = client.get_metric_history(run_id, key)
        return sorted(
            ((point.value, point.timestamp, point.step) for point in points),
            key=lambda point: (point[2], point[1]),
        )

    return read


@pytest.fixture
def batches(monkeypatch):
    """What is sent to the store, request by request."""
    sent = []
    log_batch = MlflowClient.log_batch

    def recording(self, run_id, metrics=(), params=(), tags=(), **keywords):
        sent.append((list(metrics), list(params), list(tags)))
        return log_batch(self, run_id, metrics=metrics, params=params, tags=tags, **keywords)

    monkeypatch.setattr(MlflowClient, "log_batch", recording)
    return sent


@pytest.fixture
def files(client, run_id):
    """The user's artifacts as a mapping of path and content."""

    def read():
        root = Path(client.get_run(run_id).info.artifact_uri.removeprefix("file://"))
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file()
        }

    return read


def test_params_and_tags_are_mirrored(client, run_id, job_run):
    job_run.params = {"alpha": "0.5", "empty": "", "a/b": "ü 日本"}
    job_run.tags = {"team": "vision", "line": "a\nb"}
    MirroredRun(run_id, job_run).finish(COMPLETED)
    data = client.get_run(run_id).data
    assert data.params == job_run.params
    assert data.tags.items() >= job_run.tags.items()


def test_a_param_that_the_users_run_has_already_stays(client, run_id, job_run):
    client.log_param(run_id, "alpha", "from the command line")
    job_run.params = {"alpha": "other", "beta": "1"}
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert client.get_run(run_id).data.params == {"alpha": "from the command line", "beta": "1"}


def test_more_params_and_tags_than_one_request_takes_are_mirrored(client, run_id, job_run):
    job_run.params = {f"p{number}": str(number) for number in range(250)}
    job_run.tags = {f"t{number}": str(number) for number in range(250)}
    MirroredRun(run_id, job_run).finish(COMPLETED)
    data = client.get_run(run_id).data
    assert data.params == job_run.params
    assert data.tags.items() >= job_run.tags.items()


def test_a_tag_that_changes_is_changed(client, run_id, job_run):
    job_run.tags = {"phase": "one"}
    mirror = MirroredRun(run_id, job_run)
    mirror.update()
    assert client.get_run(run_id).data.tags["phase"] == "one"
    job_run.tags = {"phase": "two"}
    mirror.finish(COMPLETED)
    assert client.get_run(run_id).data.tags["phase"] == "two"


def test_tags_of_the_systems_stay_where_they_are_but_notes_and_models_are_carried(
    client, run_id, job_run
):
    before = client.get_run(run_id).data.tags
    job_run.tags = {
        "mlflow.user": "someone",
        "mlflow.runName": "theirs",
        "mlflow.rootRunId": "job_1",
        "azureml.nodeid": "n",
        "_aml_system_ComputeTargetStatus": "x",
        "mlflow.note.content": "# Notes",
        "mlflow.log-model.history": "[]",
    }
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert client.get_run(run_id).data.tags == {
        **before,
        "mlflow.note.content": "# Notes",
        "mlflow.log-model.history": "[]",
        "azureml.mirrored": "Completed",
    }


def test_the_whole_history_of_a_metric_is_mirrored(run_id, job_run, history):
    for step in range(5):
        job_run.log("loss", 1 / (step + 1), step=step)
    job_run.log("loss", 0.5, step=1, timestamp=1_700_000_009_000)
    job_run.log("accuracy", -3)
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert history("loss") == [
        (1.0, 1_700_000_000_000, 0),
        (0.5, 1_700_000_000_001, 1),
        (0.5, 1_700_000_009_000, 1),
        (1 / 3, 1_700_000_000_002, 2),
        (0.25, 1_700_000_000_003, 3),
        (0.2, 1_700_000_000_004, 4),
    ]
    assert history("accuracy") == [(-3.0, 1_700_000_000_000, 0)]


@pytest.mark.parametrize("text", ["NaN", "nan"])
def test_not_a_number_is_mirrored_once(run_id, job_run, history, text):
    job_run.log("loss", text)
    for _ in range(2):
        MirroredRun(run_id, job_run).finish(COMPLETED)
    [(value, _, _)] = history("loss")
    assert math.isnan(value)


@pytest.mark.parametrize(("text", "sign"), [("Infinity", 1), ("-Infinity", -1), ("inf", 1)])
def test_infinity_is_mirrored_once_as_the_store_keeps_it(run_id, job_run, history, text, sign):
    job_run.log("loss", text)
    for _ in range(2):
        MirroredRun(run_id, job_run).finish(COMPLETED)
    [(value, _, _)] = history("loss")
    # A SQL store has no infinity: MLflow writes the largest number there.
    assert sign * value > 1e308


def test_numbers_that_are_written_as_text_are_numbers(run_id, job_run, history):
    job_run.points = {
        "loss": [{"key": "loss", "value": "0.25", "timestamp": "1700000000000", "step": "7"}]
    }
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert history("loss") == [(0.25, 1_700_000_000_000, 7)]


def test_a_point_without_step_or_time_is_at_zero(run_id, job_run, history):
    job_run.points = {"loss": [{"key": "loss", "value": 1, "timestamp": 5, "step": None}]}
    job_run.latest = {"loss": {"key": "loss", "value": 1}}
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert history("loss") == [(1.0, 5, 0)]


def test_more_points_than_one_request_takes_are_mirrored(run_id, job_run, history):
    for step in range(2501):
        job_run.log("loss", step / 7, step=step)
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert [(value, step) for value, _, step in history("loss")] == [
        (step / 7, step) for step in range(2501)
    ]


def test_what_is_new_is_added_while_the_job_runs(run_id, job_run, history):
    job_run.log("loss", 1, step=0)
    mirror = MirroredRun(run_id, job_run)
    mirror.update()
    assert [step for _, _, step in history("loss")] == [0]
    job_run.log("loss", 2, step=1)
    mirror.finish(COMPLETED)
    assert [step for _, _, step in history("loss")] == [0, 1]


def test_a_point_that_comes_late_with_a_lower_step_is_not_lost(run_id, job_run, history):
    job_run.log("loss", 1, step=10)
    mirror = MirroredRun(run_id, job_run)
    mirror.update()
    job_run.log("loss", 2, step=5)
    mirror.finish(COMPLETED)
    assert [step for _, _, step in history("loss")] == [5, 10]


def test_updates_are_apart_by_some_seconds(run_id, job_run):
    job_run.log("loss", 1)
    mirror = MirroredRun(run_id, job_run)
    mirror.update()
    job_run.log("accuracy", 1)
    mirror.update()
    assert job_run.histories_read == ["loss"]


@pytest.mark.parametrize("error", [UnavailableError("503")])
def test_an_update_that_fails_waits_for_the_next(run_id, job_run, history, error):
    job_run.log("loss", 1)
    job_run.error = error
    mirror = MirroredRun(run_id, job_run)
    mirror.update()
    job_run.error = None
    mirror.finish(COMPLETED)
    assert len(history("loss")) == 1


def test_no_request_is_larger_than_mlflow_allows(run_id, job_run, batches):
    job_run.params = {f"p{number}": "x" for number in range(101)}
    job_run.tags = {f"t{number}": "x" for number in range(101)}
    for step in range(1001):
        job_run.log("loss", step, step=step)
    MirroredRun(run_id, job_run).finish(COMPLETED)
    for metrics, params, tags in batches:
        assert len(metrics) <= 1000
        assert len(params) <= 100
        assert len(tags) <= 100
        assert len(metrics) + len(params) + len(tags) <= 1000
    assert [sum(map(len, kind)) for kind in zip(*batches, strict=True)] == [1001, 101, 101]


@pytest.mark.parametrize("value", [1, 0.1 + 0.2, "NaN", "Infinity", "-Infinity"])
def test_what_the_run_has_already_is_not_sent_again(run_id, job_run, batches, value):
    job_run.params = {"alpha": "1"}
    job_run.tags = {"team": "a"}
    job_run.log("loss", value, step=0)
    first = MirroredRun(run_id, job_run)
    first.update()
    assert len(batches) == 3
    job_run.log("loss", value, step=1)
    first.finish(COMPLETED)
    assert [[point.step for point in metrics] for metrics, _, _ in batches[3:]] == [[1]]
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert len(batches) == 4


def snapshot(client, run_id, files, keys):
    run = client.get_run(run_id)
    histories = {
        key: sorted(
            (repr(p.value), p.timestamp, p.step) for p in client.get_metric_history(run_id, key)
        )
        for key in keys
    }
    return run.data.params, run.data.tags, histories, files()


def test_mirroring_again_changes_nothing_whoever_does_it(client, run_id, job_run, files):
    job_run.params = {"alpha": "1"}
    job_run.tags = {"team": "a"}
    for step in range(3):
        job_run.log("loss", step, step=step)
    for value in ("NaN", "Infinity", "-Infinity", 1e-300, 0.1 + 0.2):
        job_run.log("odd", value)
    job_run.files_there = {"outputs/model.txt": b"model"}
    first = MirroredRun(run_id, job_run)
    first.finish(COMPLETED)
    before = snapshot(client, run_id, files, ["loss", "odd"])
    first.finish(COMPLETED)
    MirroredRun(run_id, job_run).update()
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert snapshot(client, run_id, files, ["loss", "odd"]) == before
    assert len(before[2]["odd"]) == 5


def test_another_process_adds_only_what_is_missing(client, run_id, job_run, history):
    job_run.params = {"alpha": "1"}
    job_run.log("loss", 1, step=0)
    MirroredRun(run_id, job_run).update()
    job_run.params["beta"] = "2"
    job_run.log("loss", 2, step=1)
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert client.get_run(run_id).data.params == {"alpha": "1", "beta": "2"}
    assert [step for _, _, step in history("loss")] == [0, 1]


def test_finishing_twice_in_one_process_asks_once(run_id, job_run):
    job_run.log("loss", 1)
    mirror = MirroredRun(run_id, job_run)
    mirror.finish(COMPLETED)
    mirror.finish(COMPLETED)
    assert job_run.histories_read == ["loss"]


numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, "NaN", "Infinity", "-Infinity", 1e-320]),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(numbers, st.integers(0, 2), st.integers(1, 2)),
        min_size=1,
        max_size=6,
        unique_by=lambda point: (repr(float(point[0]) + 0.0), *point[1:]),
    ),
    st.integers(0, 6),
)
def test_any_history_is_mirrored_whole_and_once(
    client, experiment_id, job_run, points, seen_before
):
    run_id = client.create_run(experiment_id).info.run_id
    job = type(job_run)()
    mirror = MirroredRun(run_id, job)
    for value, step, timestamp in points[:seen_before]:
        job.log("loss", value, step=step, timestamp=timestamp)
    mirror.update()
    for value, step, timestamp in points[seen_before:]:
        job.log("loss", value, step=step, timestamp=timestamp)
    mirror.finish(COMPLETED)
    MirroredRun(run_id, job).finish(COMPLETED)
    largest = sys.float_info.max
    expected = [
        (repr(min(largest, max(-largest, float(value))) + 0.0), timestamp, step)
        if value != "NaN"
        else ("nan", timestamp, step)
        for value, step, timestamp in points
    ]
    mirrored = [
        (repr(point.value + 0.0), point.timestamp, point.step)
        for point in client.get_metric_history(run_id, "loss")
    ]
    assert sorted(mirrored) == sorted(set(expected))


def listing(files):
    return json.loads(files()["azureml/artifacts.json"])


def test_small_artifacts_are_copied_and_all_are_listed(run_id, job_run, files):
    job_run.files_there = {
        "model/MLmodel": b"flavors: {}",
        "empty.txt": b"",
        "outputs/a file ü.bin": bytes(range(256)),
        "large.bin": b"",
        "system_logs/lifecycler.log": b"x",
        "logs/azureml/job_prep.log": b"x",
        "azureml-logs/70_driver_log.txt": b"x",
        "user_logs/std_log.txt": b"printed",
    }
    job_run.sizes = {"large.bin": 11 * 1024 * 1024}
    MirroredRun(run_id, job_run).finish(COMPLETED)
    copied = files()
    assert set(copied) == {
        "model/MLmodel",
        "empty.txt",
        "outputs/a file ü.bin",
        "user_logs/std_log.txt",
        "azureml/artifacts.json",
    }
    assert copied["outputs/a file ü.bin"] == bytes(range(256))
    assert {file["path"]: file["size"] for file in listing(files)} == {
        **{path: len(content) for path, content in job_run.files_there.items()},
        "large.bin": 11 * 1024 * 1024,
    }


def test_a_file_whose_size_is_not_told_is_copied(run_id, job_run, files):
    job_run.files_there = {"a.txt": b"a"}
    job_run.sizes = {"a.txt": None}
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert files()["a.txt"] == b"a"


def test_a_job_without_artifacts_gets_no_listing(run_id, job_run, files):
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert files() == {}


@pytest.mark.parametrize(
    "path", ["../escaped", "a/../../escaped", "/ABSOLUTE/escaped", "..", ".", "", "a/.."]
)
def test_an_artifacts_name_cannot_leave_the_run(run_id, job_run, files, tmp_path, path):
    target = path.replace("/ABSOLUTE", str(tmp_path))
    job_run.files_there = {target: b"x", "good.txt": b"g"}
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert job_run.downloads == ["good.txt"]
    assert set(files()) == {"good.txt", "azureml/artifacts.json"}
    assert not list(tmp_path.rglob("escaped"))
    assert target in [file["path"] for file in listing(files)]


@pytest.mark.parametrize("path", ["azureml", "azureml/artifacts.json", "azureml/artifacts.json/x"])
def test_an_artifact_in_the_place_of_the_listing_does_not_end_the_mirroring(
    client, run_id, job_run, files, path
):
    job_run.files_there = {path: b"x", "good.txt": b"g"}
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert {file["path"] for file in listing(files)} == {path, "good.txt"}
    assert files()["good.txt"] == b"g"
    assert client.get_run(run_id).info.status == "FINISHED"


@pytest.mark.parametrize(
    ("status", "expected"),
    [("Completed", "FINISHED"), ("Failed", "FAILED"), ("Canceled", "KILLED")],
)
def test_the_users_run_ends_as_the_job_ended(client, run_id, job_run, status, expected):
    MirroredRun(run_id, job_run).finish(RunOutcome(status=JobStatus(status)))
    info = client.get_run(run_id).info
    assert info.status == expected
    assert info.end_time


def test_the_reason_of_a_failed_job_is_in_a_tag(client, run_id, job_run):
    outcome = RunOutcome(status=JobStatus.FAILED, error="UserError: " + "x" * 20_000)
    MirroredRun(run_id, job_run).finish(outcome)
    tag = client.get_run(run_id).data.tags["azureml.error"]
    assert tag == outcome.error[: len(tag)]
    assert len(tag) == 5000


def test_the_run_of_a_job_that_never_started_ends_all_the_same(client, run_id, absent_run):
    outcome = RunOutcome(status=JobStatus.CANCELED, error="cancelled in the queue")
    MirroredRun(run_id, absent_run).finish(outcome)
    run = client.get_run(run_id)
    assert run.info.status == "KILLED"
    assert run.data.tags["azureml.error"] == "cancelled in the queue"


def test_a_submitted_run_carries_its_handle(client, run_id, job_run):
    MirroredRun(run_id, job_run).submitted(HANDLE)
    tags = client.get_run(run_id).data.tags
    assert tags["azureml.job_name"] == "job_1"
    assert tags["azureml.workspace"] == HANDLE.workspace.arm_id
    assert tags["azureml.studio_url"] == "https://ml.azure.com/runs/job_1"
    assert client.get_run(run_id).info.status == "RUNNING"


@pytest.mark.parametrize("reason", ["quota", "x" * 20_000])
def test_a_run_that_could_not_be_submitted_ends_failed_with_the_reason(
    client, run_id, job_run, reason
):
    MirroredRun(run_id, job_run).failed_to_submit(reason)
    run = client.get_run(run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["azureml.submission_error"] == reason[:5000]


def test_the_first_reason_of_a_run_that_could_not_be_submitted_stays(client, run_id, job_run):
    assert MirroredRun(run_id, job_run).failed_to_submit("quota") == "quota"
    ended = client.get_run(run_id).info.end_time
    assert MirroredRun(run_id, job_run).failed_to_submit("its client died") == "quota"
    assert client.get_run(run_id).info.end_time == ended


def test_a_run_that_was_taken_for_never_submitted_runs_once_its_job_is_there(
    client, run_id, job_run
):
    MirroredRun(run_id, job_run).failed_to_submit("its client died")
    MirroredRun(run_id, job_run).submitted(HANDLE)
    run = client.get_run(run_id)
    assert run.info.status == "RUNNING"
    assert "azureml.submission_error" not in run.data.tags


def test_a_run_ends_when_its_job_ended(client, run_id, job_run):
    job_run.end_time = client.get_run(run_id).info.start_time + 90_000
    for _ in range(2):
        MirroredRun(run_id, job_run).finish(COMPLETED)
        assert client.get_run(run_id).info.end_time == job_run.end_time


def test_a_run_that_is_complete_is_not_mirrored_again(run_id, job_run):
    job_run.log("loss", 1)
    job_run.files_there = {"a.txt": b"a"}
    for _ in range(2):
        MirroredRun(run_id, job_run).finish(COMPLETED)
    assert job_run.downloads == ["a.txt"]
    assert job_run.histories_read == ["loss"]


def test_a_service_that_is_away_at_the_end_is_asked_again(client, run_id, job_run, history):
    job_run.log("loss", 1)
    job_run.error = UnavailableError("503")
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            job_run.error = None

    MirroredRun(run_id, job_run, pause=pause).finish(COMPLETED)
    assert pauses == [1, 2, 4]
    assert len(history("loss")) == 1
    assert client.get_run(run_id).data.tags["azureml.mirrored"] == "Completed"


def test_a_run_that_could_not_be_mirrored_ends_and_is_mirrored_by_the_next(
    client, run_id, job_run, history
):
    job_run.log("loss", 1)
    job_run.error = ForbiddenError("403")
    MirroredRun(run_id, job_run).finish(COMPLETED)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert "azureml.mirrored" not in run.data.tags
    job_run.error = None
    MirroredRun(run_id, job_run).finish(COMPLETED)
    assert len(history("loss")) == 1


def test_followers_of_one_run_keep_each_point_once_in_a_file_store(tmp_path, monkeypatch, job_run):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    try:
        client = MlflowClient()
        run_id = client.create_run(client.create_experiment("files")).info.run_id
        for step in range(500):
            job_run.log("loss", step, step=step)
            job_run.log("accuracy", step, step=step)
        mirrors = [MirroredRun(run_id, job_run) for _ in range(4)]
        mirrors[0].update()
        job_run.log("loss", 500, step=500)
        with ThreadPoolExecutor() as threads:
            list(threads.map(lambda mirror: mirror.finish(COMPLETED), mirrors))
        steps = [point.step for point in client.get_metric_history(run_id, "loss")]
        assert sorted(steps) == list(range(501))
        assert len(client.get_metric_history(run_id, "accuracy")) == 500
    finally:
        mlflow.set_tracking_uri(None)


@pytest.mark.parametrize("logged", [True, False])
def test_a_store_that_refuses_is_a_tracking_error(client, run_id, job_run, logged):
    if logged:
        job_run.params = {"alpha": "1"}
    client.delete_run(run_id)
    with pytest.raises(TrackingError, match=f"MLflow run '{run_id}' could not be completed"):
        MirroredRun(run_id, job_run).finish(RunOutcome(status=JobStatus.FAILED, error="e"))


def test_a_store_that_refuses_the_handle_is_a_tracking_error_that_names_the_job(
    client, run_id, job_run
):
    client.delete_run(run_id)
    with pytest.raises(TrackingError, match="Job 'job_1' was submitted, but MLflow run"):
        MirroredRun(run_id, job_run).submitted(HANDLE)


def test_a_store_that_refuses_does_not_hide_why_the_job_was_not_submitted(client, run_id, job_run):
    client.delete_run(run_id)
    MirroredRun(run_id, job_run).failed_to_submit("quota")


def test_what_could_not_be_completed_can_be_mirrored_again(client, run_id, job_run, history):
    job_run.log("loss", 1)
    client.delete_run(run_id)
    mirror = MirroredRun(run_id, job_run)
    with pytest.raises(TrackingError):
        mirror.finish(COMPLETED)
    client.restore_run(run_id)
    mirror.finish(COMPLETED)
    assert len(history("loss")) == 1
    assert client.get_run(run_id).info.status == "FINISHED"

"""A real MLflow store, made once; every test has an experiment of its own."""

import itertools
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from mlflow_azureml_backend.errors import NotFoundError

_experiments = itertools.count()


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """The URI of a SQLite store."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def experiment_id(store, tmp_path, monkeypatch):
    """An experiment in the store, which is MLflow's current one during the test."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    mlflow.set_tracking_uri(store)
    yield MlflowClient().create_experiment(
        f"experiment {next(_experiments)}", artifact_location=(tmp_path / "artifacts").as_uri()
    )
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(None)


@pytest.fixture
def client(experiment_id):
    return MlflowClient()


@pytest.fixture
def run_id(client, experiment_id):
    """The user's run, open."""
    return client.create_run(experiment_id).info.run_id


class JobRun:
    """The job's run as the workspace's REST API tells it, and what was asked of it."""

    def __init__(self):
        self.params = {}
        self.tags = {}
        self.points = {}
        self.latest = {}
        self.files_there = {}
        self.models = []
        self.unreadable = {}
        self.on_disk = []
        self.page = 1000
        self.pages_read = []
        self.sizes = {}
        self.end_time = None
        self.error = None
        self.histories_read = []
        self.downloads = []

    def log(self, key, value, step=0, timestamp=None):
        point = {
            "key": key,
            "value": value,
            "timestamp": 1_700_000_000_000 + step if timestamp is None else timestamp,
            "step": step,
        }
        self.points.setdefault(key, []).append(point)

    def read(self):
        self._answer()
        latest = {key: max(points, key=_order) for key, points in self.points.items()}
        return {
            "info": {"run_id": "job_1", "end_time": self.end_time},
            "data": {
                "params": [{"key": key, "value": value} for key, value in self.params.items()],
                "tags": [{"key": key, "value": value} for key, value in self.tags.items()],
                "metrics": list({**latest, **self.latest}.values()),
            },
        }

    def metric_pages(self, key, *, start=""):
        self._answer()
        self.histories_read.append(key)
        points = list(self.points[key])
        for place in range(int(start or 0), max(len(points), 1), self.page):
            self.pages_read.append((key, place))
            yield str(place), points[place : place + self.page]

    def metric_history(self, key):
        for _, page in self.metric_pages(key):
            yield from page

    @contextmanager
    def files(self):
        self._answer()
        yield self

    @property
    def listed(self):
        return [
            {"path": path, "size": self.sizes.get(path, len(content))}
            for path, content in sorted(self.files_there.items())
        ]

    def download(self, paths, folder: Path):
        self._answer()
        self.downloads += paths
        for path in set(paths) - set(self.unreadable):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self.files_there[path])
        self.on_disk.append(sum(file.is_file() for file in folder.rglob("*")))
        return {path: self.unreadable[path] for path in paths if path in self.unreadable}

    def logged_models(self):
        self._answer()
        return self.models

    @contextmanager
    def model_files(self, model):
        files = JobRun()
        files.files_there, files.sizes = model["files"], model["sizes"]
        yield files

    def wait_until_readable(self):
        self._answer()

    def _answer(self):
        if self.error is not None:
            raise self.error


def _order(point):
    return point["step"], point["timestamp"], float(point["value"])


@pytest.fixture
def job_run():
    return JobRun()


@pytest.fixture
def absent_run(job_run):
    """The run of a job that never started."""
    job_run.error = NotFoundError("There is no such run.")
    return job_run

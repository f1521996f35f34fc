"""`show` and `compare`: curves, trees, and what differs."""

from __future__ import annotations

import json
import math

import mlflow
import pytest

import mlflow_azureml_backend
from mlflow_azureml_backend.cli.sparkline import sparkline
from mlflow_azureml_backend.cli.tables import artifact_tree
from mlflow_azureml_backend.metric_curve import WIDTH, curve_of
from mlflow_azureml_backend.runs.comparison import comparison_of
from mlflow_azureml_backend.tracking.run_data import RunData
from tests.cli.conftest import read_json

NAN, INF = math.nan, math.inf


def points(*values):
    return [(step, 0, value) for step, value in enumerate(values)]


def test_a_run_is_shown_with_its_curves_its_files_as_a_tree_and_all_its_params(cli, in_world):
    client = mlflow.MlflowClient()
    client.log_param(in_world.runs["trained"], "entry point", "own")
    text = cli("show", in_world.runs["trained"]).stdout
    told = read_json(cli("show", "trained", "--json"))

    assert "█▃▂▁  4 points, 0.25 to 1" in text
    assert "\n  outputs/\n    deep/\n      large.bin  8.6 MiB\n    empty     0 B\n" in text
    assert told["params"] == {"alpha": "0.5", "entry point": "own"}
    assert told["curves"]["loss"]["values"] == [1, 1 / 2, 1 / 3, 1 / 4]
    assert (told["models"], told["notes"], told["mlflow_url"]) == ([], [], None)


def test_runs_are_compared_wherever_they_are(cli, in_world, tmp_path, empty_store):
    client = mlflow.MlflowClient()
    mine = client.create_run("0", run_name="mine").info.run_id
    client.log_batch(
        mine,
        params=[mlflow.entities.Param("alpha", "0.5"), mlflow.entities.Param("beta", "x\ty")],
        metrics=[mlflow.entities.Metric("loss", NAN, 1, 0)],
    )
    store = f"sqlite:///{tmp_path / 'other.db'}"
    (tmp_path / "other.db").write_bytes(empty_store.read_bytes())
    other = mlflow.MlflowClient(store).create_run("0").info.run_id
    runs = (mine, "trained", "foreign", f"{store}#{other}")
    told = read_json(cli("compare", *runs, "--json"))
    lines = [line.split("\t") for line in cli("compare", mine, mine).stdout.splitlines()]

    assert [run["run_id"] for run in told["runs"]] == [
        mine,
        in_world.runs["trained"],
        "foreign",
        other,
    ]
    values = {(value["kind"], value["key"]): value["values"] for value in told["values"]}
    assert values[("param", "beta")] == ["x\ty", None, None, None]
    assert values[("metric", "loss")][0] == "NaN"
    assert [line[1] for line in lines] == ["run", "name", "status"], "nothing differs"
    everything = cli("compare", mine, mine, "--all").stdout
    assert "param\tbeta\tx y\tx y\n" in everything
    assert mlflow_azureml_backend.compare(mine).runs[0].name == "mine"
    client.delete_run(mine)


def test_a_run_in_the_workspace_that_is_no_job_is_compared_too(cli, in_world):
    connection = in_world.connection
    url = f"{connection.api}/mlflow/v2.0{in_world.workspace.arm_id}/api/2.0/mlflow/runs/create"
    made = connection.json("POST", url, body={"experiment_id": "0"}, doing="creating")
    run_id = made["run"]["info"]["run_id"]

    for options in ((), ("-w", in_world.workspace.arm_id)):
        [told] = read_json(cli("compare", run_id, *options, "--json"))["runs"]
        assert (told["run_id"], told["status"]) == (run_id, "RUNNING")


@pytest.mark.parametrize(
    ("reference", "part"),
    [
        ("0" * 32, "no MLflow run '00000"),
        ("nobody", "no MLflow run 'nobody' in workspace 'cli'"),
        ("sqlite:///none.db#1", "no MLflow run '1' in sqlite:///none.db"),
        ("a b", "neither an MLflow run id"),
    ],
)
def test_a_run_that_is_not_there_is_told(cli, reference, part):
    result = cli("compare", "trained", reference)

    assert result.exit_code == 1
    assert part in result.stderr


def test_what_differs_comes_first():
    def run(params, metrics):
        return RunData(run_id="r", name=None, status="FINISHED", params=params, metrics=metrics)

    found = comparison_of(
        [run({"a": "1", "z": "1"}, {"m": NAN, "n": 1.0}), run({"a": "1"}, {"m": NAN, "n": 2.0})]
    )

    assert [(value.kind, value.key, value.differs) for value in found.values] == [
        ("param", "z", True),
        ("metric", "n", True),
        ("param", "a", False),
        ("metric", "m", False),
    ]
    json.dumps(found.as_json(), allow_nan=False)


def test_a_curve_is_short_whatever_was_logged():
    long = curve_of(points(*range(100_000)))
    wild = curve_of(points(NAN, 1e308, INF, -1e308, -1e308), complete=False)

    assert len(long.values) == WIDTH
    assert list(long.values) == sorted(long.values)
    assert (long.points, long.lowest, long.highest) == (100_000, 0, 99_999)
    assert wild.values == (None, 1e308, None, -1e308, -1e308)
    assert sparkline(wild.values, encoding="utf-8") == " █ ▁▁"
    assert curve_of([]).values == ()
    assert curve_of([(2, 0, 3.0), (1, 5, 2.0), (1, 1, 1.0)]).values == (1.0, 2.0, 3.0)


@pytest.mark.parametrize(
    ("values", "encoding", "line"),
    [
        ((0.0, 1.0, 2.0, 3.5), "utf-8", "▁▃▅█"),
        ((0.0, 3.5), "latin-1", "_#"),
        ((1.0, 1.0), None, "~~"),
        ((None,), "utf-8", ""),
        ((), "utf-8", ""),
    ],
)
def test_a_line_is_drawn_with_what_the_terminal_has(values, encoding, line):
    assert sparkline(values, encoding=encoding) == line


def test_a_tree_of_many_files_stays_readable():
    lines = artifact_tree([("a", 1), ("a/b/c", 2), *((f"many/{n}", n) for n in range(1000))])

    assert lines[:3] == ["a/", "  b/", "    c  2 B"]
    assert lines[-2:] == ["  … and 970 more", "a      1 B"]
    assert artifact_tree([]) == []

"""What the user reads of a sweep: lines, the table, and the picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from mlflow_azureml_backend.follow.trial_picture import parallel_coordinates
from mlflow_azureml_backend.follow.trials import shortened, trial_line, trials_table
from mlflow_azureml_backend.job import JobStatus
from mlflow_azureml_backend.sweep import Objective, Trial

MAXIMIZE = Objective(goal="maximize", primary_metric="accuracy")
TRIALS = [
    Trial(job_name="s_0", status=JobStatus.COMPLETED, values={"lr": "0.001", "kind": "a"}),
    Trial(job_name="s_1", status=JobStatus.FAILED, values={"lr": "0.1", "kind": "b"}, error="bad"),
    Trial(job_name="s_2", status=JobStatus.CANCELED, values={"lr": "1.0", "kind": "<b>"}),
]
SCORES = {"s_0": 0.5, "s_2": 0.75}
SVG = "{http://www.w3.org/2000/svg}"


def test_a_line_tells_the_trial_its_status_its_score_its_values_and_its_error():
    assert trial_line(0, TRIALS[0], {"lr": "learning-rate"}, "accuracy=0.5") == (
        "Trial 0    Completed     accuracy=0.5  learning-rate=0.001  kind=a"
    )
    assert trial_line(1, TRIALS[1], {}, None).endswith("lr=0.1  kind=b  bad")


def test_the_table_has_the_best_first_and_those_without_a_score_last():
    names = {"lr": "learning-rate"}

    table = trials_table(TRIALS, SCORES, objective=MAXIMIZE, names=names, best="s_2")

    assert table == [
        "   trial  status     accuracy  learning-rate  kind",
        "*  2      Canceled   0.75      1              <b>",
        "   0      Completed  0.5       0.001          a",
        "   1      Failed               0.1            b",
    ]


def test_what_is_minimized_is_sorted_the_other_way():
    objective = Objective(goal="minimize", primary_metric="loss")

    table = trials_table(TRIALS, SCORES, objective=objective, names={}, best="s_0")

    assert [line.split()[-4] for line in table[1:3]] == ["Completed", "Canceled"]


def test_long_values_are_shortened_to_one_line():
    assert shortened("0.30000000000000004") == "0.3"
    assert shortened("128") == "128"
    assert shortened("1234567890123") == "1234567890123"
    assert shortened("a\nb " + "x" * 60) == "a b " + "x" * 35 + "…"


def test_the_picture_is_svg_with_a_line_for_each_trial_that_has_a_score():
    picture = parallel_coordinates(TRIALS, SCORES, objective=MAXIMIZE, names={}, best="s_2")

    root = ET.fromstring(picture)
    lines = root.findall(f"{SVG}polyline")
    assert [line.find(f"{SVG}title").text for line in lines] == [
        "s_0: accuracy=0.5",
        "s_2: accuracy=0.75",
    ]
    assert lines[1].get("stroke-width") == "3"
    points = [tuple(map(float, point.split(","))) for point in lines[1].get("points").split()]
    assert len(points) == 3
    assert points[0][1] < [*map(float, lines[0].get("points").split()[0].split(","))][1]
    texts = [text.text for text in root.findall(f"{SVG}text")]
    assert {"lr", "kind", "accuracy", "<b>", "3 trials, maximize accuracy"} & set(texts) == {
        "lr",
        "kind",
        "accuracy",
        "<b>",
    }


def test_a_picture_of_equal_values_and_of_one_trial_can_be_drawn():
    picture = parallel_coordinates(
        TRIALS[:1], {"s_0": 0.5}, objective=MAXIMIZE, names={}, best=None
    )

    assert len(ET.fromstring(picture).findall(f"{SVG}polyline")) == 1

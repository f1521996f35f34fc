"""What of a job's logs is shown, by default and by choice."""

from datetime import datetime, timezone

import pytest

from mlflow_azureml_backend.follow import LogSelection
from mlflow_azureml_backend.follow.selection import IMAGE_BUILD, rank_of

FILES = [
    "user_logs/std_log_process_00.txt",
    "user_logs/std_log_process_01.txt",
    "user_logs/extra.log",
    "azureml-logs/20_image_build_log.txt",
    "system_logs/lifecycler/lifecycler.log",
    "outputs/model.txt",
]


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ({}, [0, 1, 2, 3]),
        ({"ranks": (1,)}, [1, 3]),
        ({"ranks": (0, 1)}, [0, 1, 2, 3]),
        ({"ranks": (7,)}, [3]),
        ({"system": True}, [0, 1, 2, 3, 4]),
        ({"ranks": (1,), "system": True}, [1, 3, 4]),
        ({"files": ("*.log",)}, [2, 4]),
        ({"files": ("user_logs/*",)}, [0, 1, 2]),
        ({"files": ("user_logs/*",), "ranks": (1,)}, [1]),
        ({"files": ("system_logs/*", "extra.log")}, [2, 4]),
        ({"files": ("extra.log",), "system": True}, [2, 3, 4]),
        ({"files": ("nothing",)}, []),
    ],
)
def test_ranks_files_and_system_choose(choice, wanted):
    selection = LogSelection(**choice)
    assert [number for number, path in enumerate(FILES) if selection.wants(path)] == wanted


def test_the_one_process_of_a_job_is_rank_0():
    assert LogSelection(ranks=(0,)).wants("user_logs/std_log.txt")
    assert not LogSelection(ranks=(1,)).wants("user_logs/std_log.txt")


def test_a_choice_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="0 or more"):
        LogSelection(tail=-1)
    with pytest.raises(ValueError, match="zone"):
        LogSelection(since=datetime(2026, 1, 1))  # noqa: DTZ001
    assert LogSelection(tail=0, since=datetime(2026, 1, 1, tzinfo=timezone.utc)).tail == 0


@pytest.mark.parametrize(
    ("path", "streamed"),
    [
        ("user_logs/std_log.txt", True),
        ("user_logs/std_log_process_00.txt", True),
        ("user_logs/anything/else.log", True),
        ("azureml-logs/20_image_build_log.txt", True),
        ("azureml-logs/70_driver_log.txt", True),
        ("azureml-logs/70_driver_log_worker_1.txt", True),
        ("azureml-logs/55_azureml-execution.txt", False),
        ("system_logs/lifecycler/lifecycler.log", False),
        ("logs/azureml/job_prep.log", False),
        ("outputs/user_logs/std_log.txt", False),
        ("user_logs/", False),
    ],
)
def test_only_what_the_user_wants_to_see_is_streamed(path, streamed):
    assert LogSelection().wants(path) is streamed


@pytest.mark.parametrize(
    ("path", "rank"),
    [
        ("user_logs/std_log.txt", None),
        ("user_logs/std_log_process_0.txt", 0),
        ("user_logs/std_log_process_00.txt", 0),
        ("user_logs/std_log_process_07.txt", 7),
        ("user_logs/std_log_process_10.txt", 10),
        ("user_logs/std_log_process_100.txt", 100),
        (IMAGE_BUILD, None),
    ],
)
def test_the_rank_is_read_from_the_files_name(path, rank):
    assert rank_of(path) == rank

"""The likely cause of a failure is read from what jobs and the service really say."""

import pytest

from mlflow_azureml_backend.follow.causes import likely_cause
from mlflow_azureml_backend.follow.ending import failing_log, outcome_of
from mlflow_azureml_backend.job import JobDetails, JobStatus


@pytest.mark.parametrize(
    ("text", "words", "fix"),
    [
        (
            (
                'Traceback (most recent call last):\n  File "train.py", line 3, in <module>\n'
                "    import xgboost\nModuleNotFoundError: No module named 'xgboost'"
            ),
            "package 'xgboost' is not in the job's environment",
            "conda.yaml",
        ),
        (
            (
                "TypeError: azureml_artifacts_builder() got an unexpected keyword argument "
                "'tracking_uri'"
            ),
            "azureml-mlflow in the job does not fit its MLflow",
            "inject",
        ),
        (
            "Could not find a registered artifact repository for: azureml://eastus.api.azureml.ms",
            "azureml-mlflow",
            "inject",
        ),
        (
            (
                "UserError: Execution failed. User process 'python' exited with status code 137. "
                "Please check log file 'user_logs/std_log.txt' for error details."
            ),
            "used up the node's memory",
            "more memory",
        ),
        ("ExecutionFailed: exit code: -9", "used up the node's memory", "more memory"),
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
            "GPU's memory",
            "larger GPUs",
        ),
        (
            (
                "RuntimeError: Found no NVIDIA driver on your system. Please check that you "
                "have an NVIDIA GPU"
            ),
            "wants CUDA",
            "compute with GPUs",
        ),
        ("AssertionError: Torch not compiled with CUDA enabled", "wants CUDA", "image with CUDA"),
        (
            (
                "RuntimeError: DataLoader worker (pid 77) is killed by signal: Bus error. It is "
                "possible that dataloader's workers are out of shared memory."
            ),
            "shared memory",
            "shm_size",
        ),
        (
            (
                "AzureMLCompute job failed. The specified Azure ML Compute Instance vm size "
                "has not enough cores left in your quota."
            ),
            "quota",
            "higher quota",
        ),
        (
            "AzureMLCompute job failed. PreemptionError: Nodes of this job got pre-empted.",
            "taken away",
            "dedicated nodes",
        ),
        (
            "The job was canceled: it ran longer than its limit of 0:00:05.",
            "longer than its limit",
            "limits",
        ),
        ("OSError: [Errno 28] No space left on device", "disk is full", "larger disk"),
        (
            "ERROR: Could not find a version\nERROR: No matching distribution found for nope==9",
            "environment could not be built",
            "build's log",
        ),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: '/home/me/data.csv'",
            "not there",
            "your own machine",
        ),
        ("bash: line 1: Rscript: command not found", "command does not exist", "image"),
        ("Fatal Python error: Segmentation fault", "segmentation fault", "native packages"),
    ],
)
def test_a_known_message_names_cause_and_fix(text, words, fix):
    cause = likely_cause((text,))
    assert words in cause.what
    assert fix in cause.fix


@pytest.mark.parametrize("text", ["", "ValueError: alpha is 3", "epoch 9: loss 0.1", "timeout=5"])
def test_what_is_not_known_has_no_cause(text):
    assert likely_cause((text,)) is None


RANKS = {f"user_logs/std_log_process_{rank}.txt": ("waiting",) for rank in range(3)}


@pytest.mark.parametrize(
    ("error", "lines", "path"),
    [
        ("Please check log file 'user_logs/std_log_process_2.txt'", {}, 2),
        (None, {1: ("Traceback (most recent call last):", "KeyError: 3")}, 1),
        ("no file named", {}, 0),
    ],
)
def test_the_failing_rank_is_the_one_that_is_named_or_in_trouble(error, lines, path):
    logs = {**RANKS, **{f"user_logs/std_log_process_{r}.txt": text for r, text in lines.items()}}
    assert failing_log(error, logs) == f"user_logs/std_log_process_{path}.txt"


def test_an_outcome_has_exit_code_rank_lines_and_cause():
    path = "user_logs/std_log_process_1.txt"
    lines = ("Traceback", "ModuleNotFoundError: No module named 'torch'")
    outcome = outcome_of(
        JobDetails(status=JobStatus.FAILED),
        status=JobStatus.FAILED,
        error=f"User process 'bash' exited with status code 1. Please check log file '{path}'",
        duration=3.0,
        phases={},
        last_lines={**RANKS, path: lines},
        summary=None,
    )
    assert (outcome.exit_code, outcome.rank, outcome.last_lines) == (1, 1, lines)
    assert "'torch'" in outcome.cause.what

"""Why a job fails, in the words run history keeps."""

from __future__ import annotations

from typing import Final

LOG: Final = "user_logs/std_log.txt"
"""What the one process of a job prints, below the folder of the run."""

BUILD_LOG: Final = "azureml-logs/20_image_build_log.txt"
"""What the build of the environment printed, below the folder of the run."""

_TAIL_CHARACTERS: Final = 2000


class JobFailure(Exception):  # noqa: N818 (an outcome of a job, not a defect of the emulator)
    """End a job as Failed.

    Args:
        message: run history's `error.message`.
        code: run history's `error.code`: `UserError` or `ServiceError`.
    """

    def __init__(self, message: str, *, code: str = "UserError") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def process_failed(exit_code: int, log: str, path: str = LOG) -> JobFailure:
    """Say that a process ended with another status code than 0.

    Args:
        exit_code: the code.
        log: what the process printed, or the end of it.
        path: its log, below the folder of the run.
    """
    message = (
        f"Execution failed. User process 'bash' exited with status code {exit_code}. "
        f"Please check log file '{path}' for error details."
    )
    tail = tail_of(log)
    return JobFailure(f"{message} Error: {tail}" if tail else message)


def build_failed(explanation: str) -> JobFailure:
    """Say that the environment could not be built.

    Args:
        explanation: what the builder said, or the end of it.
    """
    return JobFailure(
        f"Image build failed. For more details, check log file {BUILD_LOG}. {tail_of(explanation)}"
    )


def node_lost() -> JobFailure:
    """Say that the process is gone without a status code, as after the loss of its node."""
    return JobFailure(
        "AzureMLCompute job failed. PreemptionError: Nodes of this job got pre-empted. Check if "
        "the run has failed or restarted. Reason: The node was lost: the process ended without "
        "an exit code, killed from outside or with the machine it ran on."
    )


def internal(error: Exception) -> JobFailure:
    """Say that the emulator itself failed; the trace goes to its own log and not to the user.

    Args:
        error: what went wrong.
    """
    return JobFailure(f"InternalServerError: {type(error).__name__}: {error}", code="ServiceError")


def tail_of(text: str) -> str:
    """Give the end of a text, from the beginning of a line.

    Args:
        text: the text.
    """
    text = text.strip()
    if len(text) <= _TAIL_CHARACTERS:
        return text
    tail = text[-_TAIL_CHARACTERS:]
    _, newline, whole_lines = tail.partition("\n")
    return whole_lines if newline else tail

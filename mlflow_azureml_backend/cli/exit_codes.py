"""With which codes the commands end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlflow_azureml_backend.runs import RunState

COMPLETED = 0
FAILED = 1
CANCELED = 3
LOST_CONTACT = 4
INTERRUPTED = 130

# `2` is click's own, for a command line that cannot be understood.
_BY_RUN_STATUS = {"FINISHED": COMPLETED, "FAILED": FAILED, "KILLED": CANCELED}
_WORST_FIRST = (LOST_CONTACT, FAILED, CANCELED, COMPLETED)


def exit_code_of(states: Iterable[RunState]) -> int:
    """Give the code of the worst state: not ended, then Failed, then Canceled, then Completed.

    Args:
        states: How each run stood at the end.
    """
    codes = {
        _BY_RUN_STATUS[state.status.to_run_status()]
        if state.status is not None and state.has_ended
        else LOST_CONTACT
        for state in states
    }
    return next((code for code in _WORST_FIRST if code in codes), COMPLETED)

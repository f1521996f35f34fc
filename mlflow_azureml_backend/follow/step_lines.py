"""What the user reads of a pipeline's steps: a line when one runs, and one when it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mlflow_azureml_backend.pipeline import StepState


class StepLines:
    """Tell each step twice: when it runs, and when it has ended."""

    def __init__(self) -> None:
        self._told: dict[str, bool] = {}
        self._seen: set[str] = set()

    def news(self, steps: Iterable[StepState], *, at_end: bool = False) -> Iterator[str]:
        """Give the lines that have not been told.

        The end of a step is told at the second look that sees it, when what it printed last has
        been shown.

        Args:
            steps: As the last look saw them.
            at_end: All that was printed has been shown.
        """
        for step in steps:
            if not step.status.has_started or self._told.get(step.job_name):
                continue
            ended = step.status.is_terminal
            if step.job_name not in self._told and not (ended and at_end):
                self._told[step.job_name] = False
                # It may have ended already: what it prints comes between the two lines.
                yield f"Step {step.name}  Running"
            if not ended:
                continue
            if at_end or step.job_name in self._seen:
                self._told[step.job_name] = True
                yield f"Step {step.name}  {step.status.value}"
            self._seen.add(step.job_name)

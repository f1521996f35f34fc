"""What the user reads of a pipeline's steps: a line when one runs, and one when it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mlflow_azureml_backend.pipeline import StepState


class StepLines:
    """Tell of each step once that it runs, and once how it has ended."""

    def __init__(self) -> None:
        self._told: dict[str, bool] = {}

    def ended(self, steps: Iterable[StepState]) -> frozenset[str]:
        """Name the steps whose ends have not been told.

        Args:
            steps: As the last look saw them.
        """
        return frozenset(
            step.name
            for step in steps
            if step.status.is_terminal and not self._told.get(step.job_name)
        )

    def news(self, steps: Iterable[StepState]) -> Iterator[str]:
        """Give the lines that have not been told, ends first: they let others begin.

        Args:
            steps: As the last look saw them.
        """
        for step in sorted(steps, key=lambda step: not step.status.is_terminal):
            ended = step.status.is_terminal
            if step.status.has_started and self._told.get(step.job_name) not in (ended, True):
                self._told[step.job_name] = ended
                yield f"Step {step.name}  {step.status.value if ended else 'Running'}"

"""How long a job was in each phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow_azureml_backend.timestamps import instant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.job import JobDetails, JobStatus

_SHORTEST = 1.0


class Phases:
    """Remember when each status was first seen."""

    def __init__(self) -> None:
        self._seen: list[tuple[JobStatus, float]] = []

    def see(self, status: JobStatus, moment: float) -> None:
        """Note the status at a moment, in seconds of any clock."""
        if not self._seen or self._seen[-1][0] is not status:
            self._seen.append((status, moment))

    def durations(self, details: JobDetails) -> Mapping[str, float]:
        """Give the seconds of each phase: those seen before the start, the run by the service.

        Args:
            details: The last look.
        """
        phases: dict[str, float] = {}
        for (status, since), (_, until) in zip(self._seen, self._seen[1:], strict=False):
            if not status.has_started:
                phases[status.value] = phases.get(status.value, 0.0) + until - since
        waited = seconds_between(details.created_time, details.start_time)
        # Who came late saw only a part of the waiting, and the service tells the whole of it.
        if waited is not None and sum(phases.values()) < waited / 2:
            phases = {"waiting": waited}
        ran = seconds_between(details.start_time, details.end_time)
        if ran is not None:
            phases["running"] = ran
        return {name: took for name, took in phases.items() if took >= _SHORTEST}


def seconds_between(start: str | None, end: str | None) -> float | None:
    """Give the seconds between two times in the service's spelling, or None."""
    since, until = instant(start), instant(end)
    return None if since is None or until is None else (until - since).total_seconds()

"""A run as a card of HTML, for notebooks."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.job import EMPTY
from mlflow_azureml_backend.tracking import read_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mlflow_azureml_backend.job import JobHandle, JobStatus

_MOST_ROWS = 20
_COLOURS = {"FINISHED": "#1a7f37", "FAILED": "#cf222e", "KILLED": "#9a6700"}
_OTHER_COLOUR = "#0969da"
_BOX = "font-family:sans-serif;border:1px solid #8884;border-radius:6px;padding:10px 14px"
_CELL = "text-align:left;padding:1px 12px 1px 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a card tells of a run.

    Args:
        job_name: The Azure ML job.
        run_id: The MLflow run.
        status: The job's, or None while it is not known.
        studio_url: Link to the job's page.
        elapsed: Seconds from the run's start to its end, or to now.
        error: Why the job failed.
        params: Key -> value.
        metrics: Key -> last value.
    """

    job_name: str
    run_id: str
    status: JobStatus | None
    studio_url: str | None = None
    elapsed: float | None = None
    error: str | None = None
    params: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    metrics: Mapping[str, float] = field(default_factory=lambda: EMPTY)

    @classmethod
    def of_run(
        cls, run_id: str, handle: JobHandle, *, status: JobStatus | None, error: str | None
    ) -> Card:
        """Describe a run by what its MLflow store holds now; without it, where that is silent.

        Args:
            run_id: The MLflow run.
            handle: Its job.
            status: The job's status, or None while it is not known.
            error: Why the job failed.
        """
        try:
            run = read_run(run_id)
        except TrackingError:
            run = None
        return cls(
            job_name=handle.job_name,
            run_id=run_id,
            status=status,
            studio_url=handle.studio_url,
            elapsed=(run.end_time or time.time()) - run.start_time if run else None,
            error=error,
            params=run.params if run else EMPTY,
            metrics=run.metrics if run else EMPTY,
        )

    def to_html(self) -> str:
        """Write the card; every text in it is data and escaped."""
        status = self.status.value if self.status else "status not known"
        colour = _COLOURS.get(self.status.to_run_status() if self.status else "", _OTHER_COLOUR)
        took = "" if self.elapsed is None else f" · {_clock(self.elapsed)}"
        name = f"<b>{escape(self.job_name)}</b>"
        # Anything but a web address, such as javascript:, is no link.
        if self.studio_url and self.studio_url.startswith(("https://", "http://")):
            target = 'target="_blank" rel="noopener"'
            name = f'<a href="{escape(self.studio_url)}" {target}>{name}</a>'
        error = f'<pre style="color:#cf222e">{escape(self.error)}</pre>' if self.error else ""
        metrics = [(key, f"{value:.6g}") for key, value in self.metrics.items()]
        return (
            f'<div style="{_BOX}">{name} '
            f'<span style="color:{colour}">● {escape(status)}</span>{took}'
            f'<div style="opacity:.7">MLflow run {escape(self.run_id)}</div>{error}'
            f"{_table('Metrics', metrics)}{_table('Parameters', self.params.items())}</div>"
        )


def _table(title: str, items: Iterable[tuple[str, str]]) -> str:
    rows = sorted(items)
    if not rows:
        return ""
    cells = "".join(
        f'<tr><td style="{_CELL}">{escape(key)}</td><td style="{_CELL}">{escape(value)}</td></tr>'
        for key, value in rows[:_MOST_ROWS]
    )
    more = f"<div>and {len(rows) - _MOST_ROWS} more</div>" if len(rows) > _MOST_ROWS else ""
    return (
        f'<details open><summary style="margin-top:6px">{title} ({len(rows)})</summary>'
        f"<table>{cells}</table>{more}</details>"
    )


def _clock(seconds: float) -> str:
    whole = max(int(seconds), 0)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"

"""What the user reads of a sweep: one line when a trial changes, one table at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow_azureml_backend.sweep import Objective, Trial

_LONGEST_VALUE = 40


def trial_line(number: int, trial: Trial, names: Mapping[str, str], score: str | None) -> str:
    """Tell where a trial is.

    Args:
        number: Which trial, from 0.
        trial: The trial.
        names: MLproject's names of the parameters, by those in the search space.
        score: The primary metric with its name, or None.
    """
    values = "  ".join(
        f"{names.get(name, name)}={shortened(value)}" for name, value in trial.values.items()
    )
    parts = [f"Trial {number:<4} {trial.status.value:<12}", score, values, trial.error]
    return "  ".join(part for part in parts if part).rstrip()


def trials_table(
    trials: Sequence[Trial],
    scores: Mapping[str, float],
    *,
    objective: Objective,
    names: Mapping[str, str],
    best: str | None,
) -> list[str]:
    """Lay the trials out as a table, the best first, those without a score last.

    Args:
        trials: In the order in which they began.
        scores: The best value of the primary metric, by the trial's job.
        objective: What the sweep looked for.
        names: MLproject's names of the parameters, by those in the search space.
        best: The best trial's job, which gets a star.
    """
    wire = list(dict.fromkeys(name for trial in trials for name in trial.values))
    header = ["", "trial", "status", objective.primary_metric, *(names.get(n, n) for n in wire)]
    sign = -1 if objective.goal == "maximize" else 1
    order = sorted(
        range(len(trials)),
        key=lambda index: (
            trials[index].job_name != best,
            trials[index].job_name not in scores,
            sign * scores.get(trials[index].job_name, 0.0),
            index,
        ),
    )
    rows = [header]
    for index in order:
        trial = trials[index]
        score = scores.get(trial.job_name)
        rows.append(
            [
                "*" if trial.job_name == best else "",
                str(index),
                trial.status.value,
                "" if score is None else f"{score:.6g}",
                *(shortened(trial.values.get(name, "")) for name in wire),
            ]
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def shortened(value: str) -> str:
    """Write a value on one line: a number with six digits, a long text without its end.

    Args:
        value: As the service says it.
    """
    try:
        number = float(value)
    except ValueError:
        text = " ".join(value.split())
        return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
    return value if value.lstrip("+-").isdigit() else f"{number:.6g}"

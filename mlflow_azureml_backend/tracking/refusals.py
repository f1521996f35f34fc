"""What a store does not take as it is, kept whole in an artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.exceptions import MlflowException

_CODES = frozenset({"BAD_REQUEST", "INVALID_PARAMETER_VALUE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A param, tag or metric that the user's store does not have as the job logged it.

    Args:
        kind: `param`, `tag` or `metric`.
        key: Its key.
        reason: What the store says, or what was done.
        value: What the job logged; a metric's history is not kept here.
        is_choice: Whether the user's run had a value of its own, which nobody needs to be told.
    """

    kind: str
    key: str
    reason: str
    value: str | None = None
    is_choice: bool = False


def is_refusal(error: MlflowException) -> bool:
    """Tell whether a store refuses what was to be logged, rather than that anything is logged."""
    return error.error_code in _CODES

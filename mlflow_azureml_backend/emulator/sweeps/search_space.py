"""The search space of a sweep: one distribution a parameter, as Azure ML writes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = float | int | str | bool | None

# What follows the kind of a distribution, in its order.
_ARGUMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "choice": ("values",),
    "randint": ("upper",),
    "uniform": ("min_value", "max_value"),
    "loguniform": ("min_value", "max_value"),
    "quniform": ("min_value", "max_value", "q"),
    "qloguniform": ("min_value", "max_value", "q"),
    "normal": ("mu", "sigma"),
    "lognormal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"),
    "qlognormal": ("mu", "sigma", "q"),
}
# A normal distribution has no value at 0 or 1.
_EDGE: Final = 1e-9
_DIGITS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Say which values one parameter may have.

    Args:
        kind: the service's name of it, for example `uniform`.
        arguments: its numbers by name; `values` of a choice is a tuple.
    """

    kind: str
    arguments: Mapping[str, Any]

    @property
    def size(self) -> int | None:
        """Give the number of its values; None for endlessly many."""
        if self.kind == "choice":
            return len(self.arguments["values"])
        return int(self.arguments["upper"]) if self.kind == "randint" else None

    def at(self, position: float) -> Value:
        """Give the value at a position between 0 and 1: the inverse of the distribution.

        Args:
            position: 0 is the smallest value, or the first choice; 1 is beyond the last one.
        """
        known = self.arguments
        if self.size is not None:
            index = min(int(position * self.size), self.size - 1)
            return known["values"][index] if self.kind == "choice" else index
        if "mu" in known:
            normal = NormalDist(known["mu"], known["sigma"])
            number = normal.inv_cdf(min(max(position, _EDGE), 1 - _EDGE))
        else:
            number = known["min_value"] + position * (known["max_value"] - known["min_value"])
        if "log" in self.kind:
            number = math.exp(number)
        if "q" not in known:
            return float(f"{number:.{_DIGITS}g}")
        quantized = round(number / known["q"]) * known["q"]
        return quantized if isinstance(quantized, int) else float(f"{quantized:.{_DIGITS}g}")

    def position(self, value: Value) -> float:
        """Give the position of a value of a choice or a uniform distribution.

        Args:
            value: what `at` gave for a position that is near this one.
        """
        if self.kind == "choice":
            values: tuple[Value, ...] = self.arguments["values"]
            return (values.index(value) + 0.5) / len(values)
        low, high = self.arguments["min_value"], self.arguments["max_value"]
        if high == low:
            return 0.5
        return float(min(max((float(value or 0) - low) / (high - low), 0.0), 1.0))


def read_search_space(sent: Mapping[str, Any]) -> dict[str, Distribution]:
    """Read a search space, for example `{"lr": ["uniform", [0.001, 0.1]]}`.

    Args:
        sent: the field `searchSpace`.

    Raises:
        ValueError: it is none, or one that the emulator does not know.
    """
    if not sent:
        raise ValueError("The search space has to name at least one parameter.")
    return {name: _read(name, value) for name, value in sent.items()}


def _read(name: str, sent: Any) -> Distribution:
    match sent:
        case [str(kind), list(arguments)] if kind in _ARGUMENTS:
            names = _ARGUMENTS[kind]
        case _:
            raise ValueError(
                f"The search space of '{name}' has to be a list of a distribution's name and the "
                f"list of its arguments; known are {', '.join(_ARGUMENTS)}."
            )
    if len(arguments) != len(names):
        raise ValueError(f"The search space of '{name}': {kind} takes {', '.join(names)}.")
    if kind == "choice":
        return Distribution(kind=kind, arguments={"values": _choices(name, arguments[0])})
    if not all(_is_number(argument) for argument in arguments):
        raise ValueError(f"The search space of '{name}': {', '.join(names)} have to be numbers.")
    found = Distribution(kind=kind, arguments=dict(zip(names, arguments, strict=True)))
    _check_range(name, found)
    return found


def _choices(name: str, sent: Any) -> tuple[Value, ...]:
    if not isinstance(sent, list) or not sent:
        raise ValueError(f"The search space of '{name}': choice takes a list of values.")
    if any(isinstance(value, (dict, list)) for value in sent):
        raise ValueError(
            f"The search space of '{name}': nested search spaces are not supported by the "
            "emulator, only plain values are."
        )
    return tuple(sent)


def _check_range(name: str, found: Distribution) -> None:
    known = found.arguments
    wrong = {
        "max_value has to be at least min_value": known.get("min_value", 0)
        > known.get("max_value", known.get("min_value", 0)),
        "q has to be more than 0": known.get("q", 1) <= 0,
        "sigma has to be more than 0": known.get("sigma", 1) <= 0,
        "upper has to be a whole number, 1 or more": not (
            isinstance(known.get("upper", 1), int) and known.get("upper", 1) >= 1
        ),
    }
    for complaint, is_wrong in wrong.items():
        if is_wrong:
            raise ValueError(f"The search space of '{name}': {complaint}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)

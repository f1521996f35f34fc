"""The backend config's `sweep`, in the words of Azure ML's sweep job YAML."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictInt,
    StrictStr,
    StringConstraints,
    Tag,
)
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Text = Annotated[StrictStr, StringConstraints(min_length=1)]


def _number(value: Any) -> Any:
    """Take no text and no truth value for a number, and say so once."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return value
    raise PydanticCustomError("number", "must be a number")


def _positive(value: Any) -> Any:
    if _number(value) > 0:
        return value
    raise PydanticCustomError("number", "must be a number greater than 0")


def _plain(value: Any) -> Any:
    if isinstance(value, (str, bool)):
        return value
    with suppress(PydanticCustomError):
        return _number(value)
    raise PydanticCustomError("plain", "must be text, a number, true or false")


Number = Annotated[int | float, BeforeValidator(_number)]
AboveZero = Annotated[int | float, BeforeValidator(_positive)]
Plain = Annotated[bool | int | float | str, BeforeValidator(_plain)]
Positive = Annotated[StrictInt, Field(gt=0)]
Natural = Annotated[StrictInt, Field(ge=0)]

MOST_TRIALS = 1000


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ChoiceConfig(_Section):
    """One of several values."""

    type: Literal["choice"]
    values: Annotated[list[Plain], Field(min_length=1)]


class RandintConfig(_Section):
    """A whole number from 0 to below `upper`."""

    type: Literal["randint"]
    upper: Positive


class UniformConfig(_Section):
    """A number between two; of `loguniform` its logarithm is."""

    type: Literal["uniform", "loguniform"]
    min_value: Number
    max_value: Number


class QUniformConfig(_Section):
    """The same, rounded to a multiple of `q`."""

    type: Literal["quniform", "qloguniform"]
    min_value: Number
    max_value: Number
    q: AboveZero


class NormalConfig(_Section):
    """A number around a mean; of `lognormal` its logarithm is."""

    type: Literal["normal", "lognormal"]
    mu: Number
    sigma: AboveZero


class QNormalConfig(_Section):
    """The same, rounded to a multiple of `q`."""

    type: Literal["qnormal", "qlognormal"]
    mu: Number
    sigma: AboveZero
    q: AboveZero


class RandomSamplingConfig(_Section):
    """Random values."""

    type: Literal["random"]
    rule: Literal["random", "sobol"] | None = Field(
        default=None, description="sobol covers the search space more evenly."
    )
    seed: StrictInt | None = Field(default=None, description="Gives the same trials again.")
    logbase: Number | Literal["e"] | None = Field(
        default=None, description="Base of logarithmic distributions."
    )


class PlainSamplingConfig(_Section):
    """Every combination of choices, or values that earlier trials let expect the best of."""

    type: Literal["grid", "bayesian"]


class ObjectiveConfig(_Section):
    """What to look for."""

    goal: Literal["minimize", "maximize"]
    primary_metric: Text = Field(description="A metric that the project logs with MLflow.")


class SweepLimitsConfig(_Section):
    """How much to try."""

    max_total_trials: Annotated[StrictInt, Field(gt=0, le=MOST_TRIALS)] | None = Field(
        default=None, description=f"Default: {MOST_TRIALS}."
    )
    max_concurrent_trials: Annotated[StrictInt, Field(gt=0, le=MOST_TRIALS)] | None = Field(
        default=None, description="How many may run at once; default: all."
    )
    timeout: Positive | None = Field(default=None, description="Seconds for the whole sweep.")
    trial_timeout: Positive | None = Field(default=None, description="Seconds for each trial.")


class BanditConfig(_Section):
    """End trials that are too far behind the best one."""

    type: Literal["bandit"]
    slack_factor: AboveZero | None = None
    slack_amount: AboveZero | None = None
    evaluation_interval: Positive = 1
    delay_evaluation: Natural = 0


class MedianStoppingConfig(_Section):
    """End trials that are behind the median of the averages of all trials."""

    type: Literal["median_stopping"]
    evaluation_interval: Positive = 1
    delay_evaluation: Natural = 0


class TruncationSelectionConfig(_Section):
    """End the worst share of trials at each interval."""

    type: Literal["truncation_selection"]
    truncation_percentage: Annotated[StrictInt, Field(ge=1, le=99)]
    evaluation_interval: Positive = 1
    delay_evaluation: Natural = 0


# Which section an object is, by its `type`. pydantic puts the tag into an error's location, from
# where `without_tags` takes it out again; an unknown type is an error of its own.
_DISTRIBUTIONS: dict[str, type[_Section]] = {
    "choice": ChoiceConfig,
    "randint": RandintConfig,
    "uniform": UniformConfig,
    "loguniform": UniformConfig,
    "quniform": QUniformConfig,
    "qloguniform": QUniformConfig,
    "normal": NormalConfig,
    "lognormal": NormalConfig,
    "qnormal": QNormalConfig,
    "qlognormal": QNormalConfig,
}
_SAMPLINGS: dict[str, type[_Section]] = {
    "random": RandomSamplingConfig,
    "grid": PlainSamplingConfig,
    "bayesian": PlainSamplingConfig,
}
_POLICIES: dict[str, type[_Section]] = {
    "bandit": BanditConfig,
    "median_stopping": MedianStoppingConfig,
    "truncation_selection": TruncationSelectionConfig,
}


def _tag(value: Any) -> str | None:
    """Name the section that an object is; None when there is none, which is an error."""
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    return _TAGS.get(kind) if isinstance(kind, str) else None


def _sampling_tag(value: Any) -> str | None:
    return "TEXT" if isinstance(value, str) else _tag(value)


_TAGS = {
    kind: section.__name__
    for table in (_DISTRIBUTIONS, _SAMPLINGS, _POLICIES)
    for kind, section in table.items()
}
_ALL_TAGS = frozenset({*_TAGS.values(), "TEXT"})


def _by_type(tag: Callable[[Any], str | None], table: Mapping[str, Any]) -> Discriminator:
    """Tell the sections of a table apart, and say what there is when the type is unknown."""
    return Discriminator(
        tag,
        custom_error_type="unknown_type",
        custom_error_message=f"must be an object whose type is one of {', '.join(table)}",
    )


Distribution = Annotated[
    Annotated[ChoiceConfig, Tag("ChoiceConfig")]
    | Annotated[RandintConfig, Tag("RandintConfig")]
    | Annotated[UniformConfig, Tag("UniformConfig")]
    | Annotated[QUniformConfig, Tag("QUniformConfig")]
    | Annotated[NormalConfig, Tag("NormalConfig")]
    | Annotated[QNormalConfig, Tag("QNormalConfig")],
    _by_type(_tag, _DISTRIBUTIONS),
]
Sampling = Annotated[
    Annotated[Literal["random", "sobol", "grid", "bayesian"], Tag("TEXT")]
    | Annotated[RandomSamplingConfig, Tag("RandomSamplingConfig")]
    | Annotated[PlainSamplingConfig, Tag("PlainSamplingConfig")],
    _by_type(_sampling_tag, _SAMPLINGS),
]
Policy = Annotated[
    Annotated[BanditConfig, Tag("BanditConfig")]
    | Annotated[MedianStoppingConfig, Tag("MedianStoppingConfig")]
    | Annotated[TruncationSelectionConfig, Tag("TruncationSelectionConfig")],
    _by_type(_tag, _POLICIES),
]


class SweepConfig(_Section):
    """Turn the run into a sweep: many trials of the project with other parameter values."""

    search_space: Annotated[dict[Text, Distribution], Field(min_length=1)] = Field(
        description="Parameters of the entry point to vary, each with its distribution."
    )
    sampling_algorithm: Sampling = Field(
        default="random",
        description="How values are chosen: random, sobol, grid, bayesian, or an object with type "
        "and seed, rule or logbase.",
    )
    objective: ObjectiveConfig
    limits: SweepLimitsConfig = Field(default_factory=SweepLimitsConfig)
    early_termination: Policy | None = Field(
        default=None, description="Which trials to end before they have run to their end."
    )


_SECTIONS: dict[str, type[BaseModel]] = {
    "objective": ObjectiveConfig,
    "limits": SweepLimitsConfig,
    **{section.__name__: section for section in (*_DISTRIBUTIONS.values(), *_SAMPLINGS.values())},
    **{section.__name__: section for section in _POLICIES.values()},
}


def sweep_section(location: tuple[Any, ...]) -> type[BaseModel] | None:
    """Name the section below `sweep` that an unknown key is in; None for one elsewhere.

    Args:
        location: Where pydantic found it.
    """
    if location[:1] != ("sweep",):
        return None
    return _SECTIONS.get(str(location[-2]), SweepConfig)


def without_tags(location: list[str]) -> list[str]:
    """Leave out of a location below `sweep` which section an object was read as.

    Args:
        location: Where a problem is.
    """
    if location[:1] != ["sweep"]:
        return location
    return [part for part in location if part not in _ALL_TAGS]

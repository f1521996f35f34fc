"""The backend config's `sweep`, in the words of Azure ML's sweep job YAML."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, StrictInt, Tag

from mlflow_azureml_backend.config.search_space_schema import (
    DISTRIBUTIONS,
    AboveZero,
    ChoiceConfig,
    Natural,
    NormalConfig,
    Number,
    Positive,
    QNormalConfig,
    QUniformConfig,
    RandintConfig,
    UniformConfig,
)
from mlflow_azureml_backend.config.values import Section, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_TRIALS = 1000


Interval = Annotated[
    Positive, Field(description="After how many logged values trials are compared, each time.")
]
Delay = Annotated[Natural, Field(description="How many intervals pass before the first time.")]


class RandomSamplingConfig(Section):
    """Random values."""

    type: Literal["random"]
    rule: Literal["random", "sobol"] | None = Field(
        default=None, description="sobol covers the search space more evenly."
    )
    seed: StrictInt | None = Field(default=None, description="Gives the same trials again.")
    logbase: Number | Literal["e"] | None = Field(
        default=None, description="Base of logarithmic distributions."
    )


class PlainSamplingConfig(Section):
    """Every combination of choices, or values that earlier trials let expect the best of."""

    type: Literal["grid", "bayesian"]


class ObjectiveConfig(Section):
    """What to look for."""

    goal: Literal["minimize", "maximize"] = Field(description="Which values are better.")
    primary_metric: Text = Field(description="A metric that the project logs with MLflow.")


class SweepLimitsConfig(Section):
    """How much to try."""

    max_total_trials: Annotated[StrictInt, Field(gt=0, le=MOST_TRIALS)] | None = Field(
        default=None, description=f"Default: {MOST_TRIALS}."
    )
    max_concurrent_trials: Annotated[StrictInt, Field(gt=0, le=MOST_TRIALS)] | None = Field(
        default=None, description="How many may run at once; default: all."
    )
    timeout: Positive | None = Field(default=None, description="Seconds for the whole sweep.")
    trial_timeout: Positive | None = Field(default=None, description="Seconds for each trial.")


class BanditConfig(Section):
    """End trials that are too far behind the best one."""

    type: Literal["bandit"]
    slack_factor: AboveZero | None = Field(
        default=None, description="How far behind a trial may be, as a ratio of the best."
    )
    slack_amount: AboveZero | None = Field(
        default=None, description="How far behind a trial may be, in the metric's own unit."
    )
    evaluation_interval: Interval = 1
    delay_evaluation: Delay = 0


class MedianStoppingConfig(Section):
    """End trials that are behind the median of the averages of all trials."""

    type: Literal["median_stopping"]
    evaluation_interval: Interval = 1
    delay_evaluation: Delay = 0


class TruncationSelectionConfig(Section):
    """End the worst share of trials at each interval."""

    type: Literal["truncation_selection"]
    truncation_percentage: Annotated[StrictInt, Field(ge=1, le=99)] = Field(
        description="Which share of the trials is ended."
    )
    evaluation_interval: Interval = 1
    delay_evaluation: Delay = 0


# Which section an object is, by its `type`. pydantic puts the tag into an error's location, from
# where `without_tags` takes it out again; an unknown type is an error of its own.
_SAMPLINGS: dict[str, type[Section]] = {
    "random": RandomSamplingConfig,
    "grid": PlainSamplingConfig,
    "bayesian": PlainSamplingConfig,
}
_POLICIES: dict[str, type[Section]] = {
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
    for table in (DISTRIBUTIONS, _SAMPLINGS, _POLICIES)
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
    _by_type(_tag, DISTRIBUTIONS),
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


class SweepConfig(Section):
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
    **{section.__name__: section for section in (*DISTRIBUTIONS.values(), *_SAMPLINGS.values())},
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

"""The distributions of the backend config's `sweep`, and the values they are written with."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StrictInt
from pydantic_core import PydanticCustomError

from mlflow_azureml_backend.config.values import Section


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


Lowest = Annotated[Number, Field(description="The smallest value.")]
Highest = Annotated[Number, Field(description="The largest value.")]
Mean = Annotated[Number, Field(description="The mean.")]
Deviation = Annotated[AboveZero, Field(description="The standard deviation.")]
Step = Annotated[AboveZero, Field(description="Values are multiples of it.")]


class ChoiceConfig(Section):
    """One of several values."""

    type: Literal["choice"]
    values: Annotated[list[Plain], Field(min_length=1)] = Field(description="The choices.")


class RandintConfig(Section):
    """A whole number from 0 to below `upper`."""

    type: Literal["randint"]
    upper: Positive = Field(description="The first number that is too large.")


class UniformConfig(Section):
    """A number between two; of `loguniform` its logarithm is."""

    type: Literal["uniform", "loguniform"]
    min_value: Lowest
    max_value: Highest


class QUniformConfig(Section):
    """The same, rounded to a multiple of `q`."""

    type: Literal["quniform", "qloguniform"]
    min_value: Lowest
    max_value: Highest
    q: Step


class NormalConfig(Section):
    """A number around a mean; of `lognormal` its logarithm is."""

    type: Literal["normal", "lognormal"]
    mu: Mean
    sigma: Deviation


class QNormalConfig(Section):
    """The same, rounded to a multiple of `q`."""

    type: Literal["qnormal", "qlognormal"]
    mu: Mean
    sigma: Deviation
    q: Step


DISTRIBUTIONS: dict[str, type[Section]] = {
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
"""Which section an object is, by its `type`."""

"""The parts of the backend config's schema that say what a job reads and writes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictStr,
    StringConstraints,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from mlflow_azureml_backend.data_spec import SnapshotSpec
from mlflow_azureml_backend.sizes import parse_size

_Text = Annotated[StrictStr, StringConstraints(min_length=1)]
DataType = Literal[
    "uri_file", "uri_folder", "mltable", "custom_model", "mlflow_model", "triton_model"
]


def _scalar_as_text(value: Any) -> Any:
    """Spell a YAML or JSON scalar as text, as `az ml` does for a literal input."""
    if isinstance(value, (bool, int, float)):
        return str(value)
    return value


def _form(value: Any) -> str:
    return "<object>" if isinstance(value, (dict, BaseModel)) else "<text>"


def _size(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    try:
        size = parse_size(value)
    except (TypeError, ValueError):
        size = 0
    if not size:
        raise PydanticCustomError("size", "must be a size such as '300 MB'")
    return size


Size = Annotated[
    int, BeforeValidator(_size), WithJsonSchema({"type": ["string", "integer"], "minLength": 1})
]
"""A size in bytes, also written as `300 MB`."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InputConfig(_Section):
    """An input of data, in the words of the job YAML."""

    type: DataType | None = Field(
        default=None, description="Default: what the data is: a file, a folder, or the asset's."
    )
    path: _Text | None = Field(
        default=None,
        description="Where the data is: a URI, or a path relative to the project. Absent for a "
        "parameter of the entry point, whose value it is.",
    )
    mode: (
        Literal[
            "ro_mount", "rw_mount", "mount", "download", "direct", "eval_mount", "eval_download"
        ]
        | None
    ) = Field(default=None, description="How the job reads it; default: ro_mount.")


class OutputConfig(_Section):
    """An output, in the words of the job YAML."""

    type: DataType = Field(default="uri_folder", description="What the job writes.")
    path: _Text | None = Field(
        default=None, description="URI of a datastore; default: a folder of the job's own."
    )
    mode: Literal["rw_mount", "mount", "upload", "direct"] | None = Field(
        default=None, description="How the job writes it; default: rw_mount."
    )
    name: _Text | None = Field(
        default=None, description="Register it under this name, as data or as a model."
    )
    version: Annotated[_Text, BeforeValidator(_scalar_as_text)] | None = Field(
        default=None, description="Version of what is registered; default: the next."
    )

    @model_validator(mode="after")
    def _version_has_name(self) -> OutputConfig:
        if self.version is not None and self.name is None:
            raise PydanticCustomError("version_of_name", "has a version and no name to register")
        return self


class SnapshotConfig(_Section):
    """What of the project's folder is uploaded."""

    exclude: list[_Text] = Field(
        default_factory=list, description="Rules as in a .gitignore, which go before the project's."
    )
    max_size: Size = Field(
        default=SnapshotSpec().max_bytes,
        description="A larger snapshot is refused; such as '300 MB', the default.",
    )


_Literal = Annotated[
    StrictStr,
    BeforeValidator(_scalar_as_text),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]
_InputForms = Annotated[
    Annotated[InputConfig, Tag("<object>")] | Annotated[_Literal, Tag("<text>")],
    Discriminator(_form),
]


def _null_as_defaults(value: Any) -> Any:
    """Take an output without a word on it, as YAML writes `model:`, for one with the defaults."""
    return {} if value is None else value


Inputs = dict[_Text, _InputForms]
"""The key `inputs`: name -> literal or data."""

Outputs = dict[_Text, Annotated[OutputConfig, BeforeValidator(_null_as_defaults)]]
"""The key `outputs`: name -> output."""

"""What the sections of the backend config's schema are made of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    StrictStr,
    StringConstraints,
    Tag,
    WithJsonSchema,
)

Text = Annotated[StrictStr, StringConstraints(min_length=1)]


def _scalar_as_text(value: Any) -> Any:
    """Spell a YAML or JSON scalar as text, as `az ml` does for tags and variables."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    return value


ScalarText = Annotated[
    StrictStr,
    BeforeValidator(_scalar_as_text),
    WithJsonSchema({"type": ["string", "number", "boolean"]}),
]


def _form(value: Any) -> str:
    return "<object>" if isinstance(value, (dict, BaseModel)) else "<text>"


# A key that takes a text or an object: told apart by its form, so that a mistake inside the object
# is reported for the object alone. The two tags are part of an error's location (reader.py).
OBJECT, TEXT, TEXT_OR_OBJECT = Tag("<object>"), Tag("<text>"), Discriminator(_form)


class Section(BaseModel):
    """An object of the config: its keys are known, and it cannot be changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

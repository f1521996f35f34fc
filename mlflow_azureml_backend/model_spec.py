"""A model that a run's user wants registered, and the version that it became."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

WISH = "azureml.register_model"
"""The run tag that holds the wish, so that whoever completes the run can fulfil it."""

MODEL_PATH = "azureml.model_path"
"""The tag of a model version that says where in the run the model is."""

_EMPTY: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """Say which model of a run to register, and how.

    Args:
        name: The registered model.
        path: The model's folder in the run's artifacts, or the name of a logged model (MLflow 3).
        tags: Tags of the new version.
        alias: Alias that points to the new version, or None.
        registry: `store`: the registry of the user's MLflow store; `workspace`; None: the one that
            belongs to the store the run is in.
    """

    name: str
    path: str = "model"
    tags: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    alias: str | None = None
    registry: str | None = None

    def as_text(self) -> str:
        """Write it as one JSON text, for a tag."""
        given = {**asdict(self), "tags": dict(self.tags)}
        return json.dumps({key: value for key, value in given.items() if value})

    @classmethod
    def from_text(cls, text: str) -> ModelSpec:
        """Read it back.

        Raises:
            ValueError: It is none.
        """
        given = json.loads(text)
        try:
            return cls(**given)
        except TypeError as error:
            raise ValueError(f"no model: {text}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One version of a registered model.

    Args:
        name: The registered model.
        version: Its version.
        status: `READY`, `PENDING_REGISTRATION` or `FAILED_REGISTRATION`.
        source: Where its files are.
        run_id: The run that it came from.
        tags: Its tags.
        aliases: Those that point to it.
        link: Link to its page, or None.
    """

    name: str
    version: str
    status: str
    source: str
    run_id: str
    tags: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    aliases: tuple[str, ...] = ()
    link: str | None = None

    @property
    def uri(self) -> str:
        """By which MLflow loads it."""
        return f"models:/{self.name}/{self.version}"

    def is_of(self, path: str) -> bool:
        """Tell whether it is the model at a path of its run."""
        where = self.tags.get(MODEL_PATH)
        return where == path if where else self.source.rstrip("/").endswith(f"/artifacts/{path}")

    def as_json(self) -> dict[str, Any]:
        """Give what `--json` prints."""
        return {
            "name": self.name,
            "version": self.version,
            "status": self.status,
            "uri": self.uri,
            "aliases": list(self.aliases),
            "tags": dict(self.tags),
            "run_id": self.run_id,
            "source": self.source,
            "link": self.link,
        }

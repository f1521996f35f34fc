"""The inputs and outputs of a job, and its snapshot, as frozen data."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def data_name(name: str) -> str:
    """Write the name of an input or output as Azure ML takes one: letters, digits, underscores.

    Args:
        name: MLproject's or the config's name, for instance `raw-data`.
    """
    key = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return key if _NAME.fullmatch(key) else f"_{key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """One input of a job: the fields of `inputs` in the job YAML.

    Args:
        type: `uri_file`, `uri_folder`, `mltable`, `custom_model`, `mlflow_model` or
            `triton_model`; None for a literal, for an asset whose type the workspace knows, and
            for data that is not yet fetched.
        path: A URI that Azure ML reads, an absolute path on this machine, or a URI that this
            machine has to fetch; None for a literal.
        mode: `ro_mount`, `rw_mount`, `download`, `direct`, …; None for the service's default.
        value: A literal, as text.
    """

    type: str | None = None
    path: str | None = None
    mode: str | None = None
    value: str | None = None

    def as_job_yaml(self) -> dict[str, Any] | str | None:
        """Give what stands below the input's name in the job YAML."""
        if self.path is None:
            return self.value
        fields = {"type": self.type, "path": self.path, "mode": self.mode}
        return {key: value for key, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What a step of a pipeline reads: what another step wrote, or what the run was given.

    Args:
        step: The step that writes it; None for an input of the run.
        name: The step's output, or the run's input, as Azure ML knows it.
    """

    step: str | None = None
    name: str

    @property
    def expression(self) -> str:
        """The words in which the pipeline job YAML says it."""
        if self.step is None:
            return f"${{{{parent.inputs.{self.name}}}}}"
        return f"${{{{parent.jobs.{self.step}.outputs.{self.name}}}}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSpec:
    """One output of a job: the fields of `outputs` in the job YAML.

    Args:
        type: As an input's.
        path: URI of a datastore's folder or file; None for the service's choice.
        mode: `rw_mount`, `upload` or `direct`; None for the service's default.
        name: Name of the data or model asset that the output becomes, or None.
        version: The asset's version, or None for the next.
    """

    type: str = "uri_folder"
    path: str | None = None
    mode: str | None = None
    name: str | None = None
    version: str | None = None

    def as_job_yaml(self) -> dict[str, Any]:
        """Give what stands below the output's name in the job YAML."""
        fields = {
            "type": self.type,
            "path": self.path,
            "mode": self.mode,
            "name": self.name,
            "version": self.version,
        }
        return {key: value for key, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSpec:
    """Say what of the project's folder is uploaded.

    Args:
        exclude: Rules as in an ignore file, which go before the project's own.
        max_bytes: A larger snapshot is refused.
    """

    exclude: tuple[str, ...] = ()
    max_bytes: int = 300_000_000

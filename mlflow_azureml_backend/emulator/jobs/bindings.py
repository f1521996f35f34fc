"""The inputs and outputs of a job: brought to its node, named in its command, taken back."""

from __future__ import annotations

import shutil
import urllib.request
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from mlflow_azureml_backend.emulator.job_outputs import output_uri
from mlflow_azureml_backend.emulator.jobs.failure import JobFailure
from mlflow_azureml_backend.emulator.jobs.storage import (
    Place,
    blob_at,
    download_folder,
    locate,
    upload_file,
    upload_folder,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow_azureml_backend.emulator.blob_store import BlobStore
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.state import State

_DOWNLOAD_SECONDS: Final = 60.0
_COLLECTED_FOLDERS: Final = ("outputs", "logs")
"""Folders of the working directory that the service takes for artifacts of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bindings:
    """Say where a job's inputs and outputs are on its node.

    Args:
        values: what the expressions of the command stand for, for example `inputs.data`.
        variables: the same for the process, for example `AZURE_ML_INPUT_data`.
    """

    values: Mapping[str, str]
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Binder:
    """Move what one job reads and writes between storage and its folder.

    Args:
        state: the documents of the workspace.
        blobs: its storage accounts.
        workspace: the workspace.
        job: the job's name.
        folder: the job's folder.
    """

    state: State
    blobs: BlobStore
    workspace: WorkspaceKey
    job: str
    folder: Path

    @property
    def working_directory(self) -> Path:
        """Give the folder the command runs in."""
        return self.folder / "wd"

    def bring(
        self,
        code_uri: str | None,
        inputs: Mapping[str, Mapping[str, Any]],
        outputs: Mapping[str, Mapping[str, Any]],
    ) -> Bindings:
        """Copy a job's code and inputs to its folder, and make the folders of its outputs.

        Args:
            code_uri: where the code is; None for none.
            inputs: the inputs by name, as the service keeps them.
            outputs: the outputs by name, as the service keeps them.

        Raises:
            JobFailure: something is not there, or of a kind the emulator does not support.
        """
        self.working_directory.mkdir(parents=True)
        if code_uri is not None:
            place = locate(self.state, self.workspace, code_uri)
            if place is None or not download_folder(self.blobs, place, self.working_directory):
                raise JobFailure(f"The job's code at '{code_uri}' cannot be found.")
        values: dict[str, str] = {}
        variables: dict[str, str] = {}
        for name, body in inputs.items():
            if body.get("jobInputType") == "literal":
                values[f"inputs.{name}"] = str(body["value"])
            else:
                path = self._input(name, body)
                values[f"inputs.{name}"] = variables[f"AZURE_ML_INPUT_{name}"] = path
        for name, body in outputs.items():
            path = self._output(name, body)
            values[f"outputs.{name}"] = variables[f"AZURE_ML_OUTPUT_{name}"] = path
        return Bindings(values=values, variables=variables)

    def take(self, outputs: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
        """Copy what a job left behind to storage: its outputs, and the artifacts of its run.

        Artifacts that the job itself has logged are not overwritten.

        Args:
            outputs: the outputs by name, as the service keeps them.

        Returns:
            Warnings, for people.

        Raises:
            JobFailure: an output's place is of a kind the emulator does not support.
        """
        run = Place(
            account=self.workspace.storage_account,
            container="azureml",
            path=f"ExperimentRun/dcid.{self.job}",
        )
        kept: tuple[str, ...] = ()
        for name in _COLLECTED_FOLDERS:
            place = Place(account=run.account, container=run.container, path=f"{run.path}/{name}")
            folder = self.working_directory / name
            kept += upload_folder(self.blobs, folder, place, overwrite=False)
        for name, body in outputs.items():
            if body.get("mode") != "Direct":
                kept += self._take_output(name, body)
        return tuple(
            f"'{blob.removeprefix(f'{run.path}/')}' was already there and was not overwritten."
            for blob in kept
        )

    def _input(self, name: str, body: Mapping[str, Any]) -> str:
        uri, kind = str(body.get("uri") or ""), body.get("jobInputType")
        if not uri:
            raise JobFailure(f"The job's input '{name}' names no URI.")
        if body.get("mode") == "Direct":
            return uri
        folder = self.folder / "inputs" / name
        place = locate(self.state, self.workspace, uri)
        if place is None:
            return self._foreign_file(name, uri, kind, folder)
        blob = blob_at(self.blobs, place)
        if blob is not None and kind != "uri_folder":
            folder.mkdir(parents=True)
            return str(shutil.copyfile(blob.file, folder / place.name))
        if kind == "uri_file" or not download_folder(self.blobs, place, folder):
            expected = "file" if kind == "uri_file" else "folder"
            raise JobFailure(f"The job's input '{name}': there is no {expected} at '{uri}'.")
        return str(folder)

    def _foreign_file(self, name: str, uri: str, kind: str | None, folder: Path) -> str:
        if kind != "uri_file":
            raise JobFailure(
                f"The job's input '{name}' is a {kind} at '{uri}', outside of the emulator's "
                "storage; from there it can read only a uri_file."
            )
        folder.mkdir(parents=True)
        file = folder / (PurePosixPath(unquote(urlsplit(uri).path)).name or name)
        try:
            # `locate` has let only https through.
            with (
                urllib.request.urlopen(uri, timeout=_DOWNLOAD_SECONDS) as answer,  # noqa: S310
                file.open("wb") as stream,
            ):
                shutil.copyfileobj(answer, stream)
        except OSError as error:
            raise JobFailure(
                f"The job's input '{name}': '{uri}' cannot be read: {error}."
            ) from None
        return str(file)

    def _output(self, name: str, body: Mapping[str, Any]) -> str:
        place = self._output_place(name, body)
        if body.get("mode") == "Direct":
            return output_uri(self.job, name, body)
        folder = self.folder / "outputs" / name
        folder.mkdir(parents=True)
        # The process creates a file itself.
        return str(folder / place.name if body.get("jobOutputType") == "uri_file" else folder)

    def _output_place(self, name: str, body: Mapping[str, Any]) -> Place:
        uri = output_uri(self.job, name, body)
        place = locate(self.state, self.workspace, uri)
        if place is None:
            raise JobFailure(
                f"The job's output '{name}' goes to '{uri}', outside of the emulator's storage."
            )
        return place

    def _take_output(self, name: str, body: Mapping[str, Any]) -> tuple[str, ...]:
        place = self._output_place(name, body)
        folder = self.folder / "outputs" / name
        # The default output is the folder of the run, with what the job has logged.
        overwrite = name != "default"
        if body.get("jobOutputType") != "uri_file":
            return upload_folder(self.blobs, folder, place, overwrite=overwrite)
        file = folder / place.name
        if file.is_file():
            upload_file(self.blobs, file, place, place.path, overwrite=overwrite)
        return ()

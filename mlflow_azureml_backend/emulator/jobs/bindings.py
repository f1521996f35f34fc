"""The inputs and outputs of a job: brought to its nodes, named in its command, taken back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.job_outputs import output_uri
from mlflow_azureml_backend.emulator.jobs.failure import JobFailure
from mlflow_azureml_backend.emulator.jobs.inputs import Inputs
from mlflow_azureml_backend.emulator.jobs.places import Place, locate, run_place
from mlflow_azureml_backend.emulator.jobs.storage import (
    download_folder,
    upload_file,
    upload_folder,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlflow_azureml_backend.emulator.blob_store import BlobStore
    from mlflow_azureml_backend.emulator.resources import WorkspaceKey
    from mlflow_azureml_backend.emulator.state import State

_COLLECTED_FOLDERS: Final = ("outputs", "logs")
"""Folders of a working directory that the service takes for artifacts of the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bindings:
    """Say where a job's inputs and outputs are on one of its nodes.

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

    def node_folder(self, node: int) -> Path:
        """Give the folder of what one node has for itself."""
        return self.folder / "nodes" / str(node)

    def working_directory(self, node: int) -> Path:
        """Give the folder the command runs in on one node: its own copy of the code."""
        return self.node_folder(node) / "wd"

    def bring(
        self,
        code_uri: str | None,
        inputs: Mapping[str, Mapping[str, Any]],
        outputs: Mapping[str, Mapping[str, Any]],
        nodes: int = 1,
    ) -> tuple[Bindings, ...]:
        """Copy a job's code and inputs to its nodes, and make the folders of its outputs.

        Args:
            code_uri: where the code is; None for none.
            inputs: the inputs by name, as the service keeps them.
            outputs: the outputs by name, as the service keeps them.
            nodes: the number of nodes.

        Returns:
            Where they are on each node.

        Raises:
            JobFailure: something is not there, or of a kind the emulator does not support.
        """
        for node in range(nodes):
            self.working_directory(node).mkdir(parents=True)
            if code_uri is not None:
                self._bring_code(code_uri, node)
        values: list[dict[str, str]] = [{} for _ in range(nodes)]
        variables: list[dict[str, str]] = [{} for _ in range(nodes)]
        for name, body in inputs.items():
            if body.get("jobInputType") == "literal":
                for known in values:
                    known[f"inputs.{name}"] = str(body["value"])
                continue
            for node, path in enumerate(self._inputs.bring(name, body, nodes)):
                values[node][f"inputs.{name}"] = path
                variables[node][f"AZURE_ML_INPUT_{name}"] = path
        for name, body in outputs.items():
            path = self._output(name, body)
            for node in range(nodes):
                values[node][f"outputs.{name}"] = path
                variables[node][f"AZURE_ML_OUTPUT_{name}"] = path
        return tuple(
            Bindings(values=values[node], variables=variables[node]) for node in range(nodes)
        )

    def take(
        self, inputs: Mapping[str, Mapping[str, Any]], outputs: Mapping[str, Mapping[str, Any]]
    ) -> tuple[str, ...]:
        """Copy what a job left behind to storage: its outputs, and the artifacts of its run.

        Artifacts that the job itself has logged are not overwritten.

        Args:
            inputs: the inputs by name, as the service keeps them; some may be written to.
            outputs: the outputs by name, as the service keeps them.

        Returns:
            Warnings, for people.

        Raises:
            JobFailure: an output's place is of a kind the emulator does not support.
        """
        run = run_place(self.workspace, self.job)
        kept: tuple[str, ...] = ()
        for node in sorted((self.folder / "nodes").glob("*"), key=lambda found: int(found.name)):
            for name in _COLLECTED_FOLDERS:
                folder = self.working_directory(int(node.name)) / name
                kept += upload_folder(self.blobs, folder, run.below(name), overwrite=False)
        for name, body in outputs.items():
            if body.get("mode") != "Direct":
                kept += self._take_output(name, body)
        for name, body in inputs.items():
            self._inputs.take(name, body)
        return tuple(
            f"'{blob.removeprefix(f'{run.path}/')}' was already there and was not overwritten."
            for blob in kept
        )

    @property
    def _inputs(self) -> Inputs:
        return Inputs(
            state=self.state, blobs=self.blobs, workspace=self.workspace, folder=self.folder
        )

    def _bring_code(self, uri: str, node: int) -> None:
        place = locate(self.state, self.workspace, uri)
        if place is None or not download_folder(self.blobs, place, self.working_directory(node)):
            raise JobFailure(f"The job's code at '{uri}' cannot be found.")

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

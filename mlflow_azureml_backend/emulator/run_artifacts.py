"""Where artifacts lie: the folders of runs and uploads in a workspace's storage account."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

ARTIFACT_CONTAINER: Final = "azureml"
"""The blob container behind the datastore `workspaceartifactstore`."""

_RUN_URI: Final = re.compile(r".*/runs/(?P<run>[^/]+)(?:/artifacts(?:/(?P<path>.*))?)?/?")
_ARTIFACTS_URI: Final = re.compile(
    r"azureml://artifacts/(?P<origin>[^/]+)/(?P<container>[^/]+)(?:/(?P<path>.*))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactFolder:
    """Name a folder of artifacts, as the artifact service does.

    Args:
        origin: `ExperimentRun` for runs, `LocalUpload` for what clients upload beside runs.
        container: `dcid.<run>`, or the name an upload was given.
        path: a folder below; empty for all of the container.
    """

    origin: str
    container: str
    path: str = ""

    def artifact_id(self, path: str) -> str:
        """Give the id of an artifact in this folder, which is also the name of its blob."""
        return "/".join(part for part in (self.origin, self.container, self.path) if part) + (
            f"/{path}"
        )

    blob = artifact_id


def run_folder(run_id: str) -> ArtifactFolder:
    """Name the folder of a run: what it logs as artifacts, and what its job leaves."""
    return ArtifactFolder(origin="ExperimentRun", container=f"dcid.{run_id}")


def artifact_folder_of_uri(uri: str) -> ArtifactFolder:
    """Name the folder that an `azureml://` artifact URI means.

    Args:
        uri: `azureml://HOST/…/runs/<run>/artifacts/…`, or `azureml://artifacts/<origin>/…` as
            azureml-mlflow writes for models registered from local files.

    Raises:
        ValueError: it is neither.
    """
    if found := _ARTIFACTS_URI.fullmatch(uri):
        return ArtifactFolder(
            origin=found["origin"],
            container=found["container"],
            path=(found["path"] or "").strip("/"),
        )
    if found := _RUN_URI.fullmatch(uri):
        folder = run_folder(found["run"])
        return ArtifactFolder(
            origin=folder.origin,
            container=folder.container,
            path=(found["path"] or "").strip("/"),
        )
    raise ValueError(f"Not the URI of an artifact folder: '{uri}'.")

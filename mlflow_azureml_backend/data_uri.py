"""What a text that names data means: a place that Azure ML reads, one to fetch, or a path."""

from __future__ import annotations

import re
from enum import Enum, auto
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

READ_BY_AZURE_ML: Final = ("azureml", "https", "http", "wasbs", "wasb", "abfss", "abfs", "adl")
FETCHED_BY_CLIENT: Final = (
    *("runs", "models", "mlflow-artifacts", "s3", "gs", "r2", "b2"),
    *("dbfs", "hdfs", "viewfs", "ftp", "sftp"),
)
SCHEMES: Final = (
    f"Azure ML itself reads {', '.join(f'{scheme}:' for scheme in READ_BY_AZURE_ML)}; this "
    f"machine fetches {', '.join(f'{scheme}:' for scheme in FETCHED_BY_CLIENT)} and uploads it; "
    "anything else must be a file or folder of this machine"
)
AZUREML_FORMS: Final = (
    "azureml:NAME:VERSION, azureml:NAME@latest, azureml://datastores/NAME/paths/PATH, "
    "azureml://jobs/JOB/outputs/OUTPUT/paths/PATH, azureml://registries/REGISTRY/data/NAME/"
    "versions/VERSION, or the ARM id of an asset or of a datastore's path"
)

# One letter is a drive of Windows.
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+):")
_WORKSPACE = r"subscriptions/[^/]+/resource[gG]roups/[^/]+(?:/providers/[^/]+)?/workspaces/[^/]+"
_AZUREML = re.compile(
    "|".join(
        (
            r"azureml:(?P<name>[^/:@]+)(?::(?P<version>[^/:@]+)|@(?P<label>[^/:@]+))",
            rf"(?:azureml:)?/{_WORKSPACE}/(?:data|models)/[^/]+/(?:versions|labels)/[^/]+",
            rf"azureml://(?:{_WORKSPACE}/)?datastores/[^/]+/(?:paths|ExperimentRun)(?:/.*)?",
            r"azureml://jobs/[^/]+/outputs/[^/]+(?:/paths)?(?:/.*)?",
            r"azureml://registries/[^/]+/(?:data|models)/[^/]+/(?:versions|labels)/[^/]+",
            r"azureml://locations/[^/]+/workspaces/[^/]+/(?:data|models)/[^/]+/versions/[^/]+",
        )
    ),
    re.DOTALL,
)
_DATASTORE = re.compile(
    rf"azureml://(?:(?P<workspace>{_WORKSPACE})/)?datastores/(?P<name>[^/]+)/(?:paths/)?(?P<path>.*)",
    re.DOTALL,
)
_RUN_ARTIFACTS = re.compile(
    r"azureml://[^/]+/mlflow/v[^/]+/subscriptions/(?P<subscription>[^/]+)/resource[gG]roups/"
    r"(?P<group>[^/]+)(?:/providers/[^/]+)?/workspaces/(?P<workspace>[^/]+)/experiments/[^/]+"
    r"/runs/(?P<run>[^/]+)/artifacts/?(?P<path>.*)",
    re.DOTALL,
)
_ASSET = re.compile(r"(?:.*/)?(?P<segment>data|models)/(?P<name>[^/]+)/(?:versions|labels)/.+")
_FILE_NAME = re.compile(r".+\.\w{1,8}")
_STORAGE_HOST = re.compile(r".+\.(?:blob|dfs)\.[^/]+")


class Place(Enum):
    """Where data is, seen from a job."""

    AZURE_ML = auto()
    FETCHED = auto()
    LOCAL = auto()
    UNKNOWN = auto()


def place_of(text: str) -> Place:
    """Tell which kind of place a text names."""
    if _AZUREML.fullmatch(text):
        return Place.AZURE_ML  # also an ARM id alone, which has no scheme
    found = _SCHEME.match(text)
    if found is None or found["scheme"].lower() == "file":
        return Place.LOCAL
    scheme = found["scheme"].lower()
    if scheme in READ_BY_AZURE_ML:
        return Place.AZURE_ML
    return Place.FETCHED if scheme in FETCHED_BY_CLIENT else Place.UNKNOWN


def local_path(text: str) -> Path:
    """Read a path, or a file: URI, as a path."""
    if text.lower().startswith("file:"):
        return Path(url2pathname(unquote(urlsplit(text).path)))
    return Path(text).expanduser()


def is_well_formed(uri: str) -> bool:
    """Tell whether a URI that Azure ML reads has one of the forms that it knows."""
    if _AZUREML.fullmatch(uri):
        return True
    return not uri.lower().startswith("azureml:") and bool(urlsplit(uri).netloc)


def as_read_by_a_job(uri: str) -> str:
    """Name an artifact of a workspace's MLflow run as Azure ML reads it; give all else as it is.

    Args:
        uri: Such as MLflow's `run.info.artifact_uri` with a path behind it.
    """
    found = _RUN_ARTIFACTS.fullmatch(uri)
    if found is None:
        return uri
    return (
        f"azureml://subscriptions/{found['subscription']}/resourcegroups/{found['group']}"
        f"/workspaces/{found['workspace']}/datastores/workspaceartifactstore/paths/ExperimentRun"
        f"/dcid.{found['run']}/{found['path']}"
    )


def asset_of(uri: str) -> re.Match[str] | None:
    """Read `azureml:NAME:VERSION` or `azureml:NAME@LABEL`: groups name, version, label."""
    found = _AZUREML.fullmatch(uri)
    return found if found is not None and found["name"] else None


def datastore_of(uri: str) -> re.Match[str] | None:
    """Read the URI of a place in a datastore: groups workspace (or None), name and path."""
    return _DATASTORE.fullmatch(uri)


def likely_type(uri: str) -> str | None:
    """Say what a URI most likely is: a file when its last part has an ending; None for an asset."""
    if asset_of(uri) or _ASSET.fullmatch(uri):
        return None
    parts = urlsplit(uri)
    if parts.scheme in {"http", "https"} and not _STORAGE_HOST.fullmatch(parts.hostname or ""):
        return "uri_file"  # a job can read no folder from the web
    last = unquote(parts.path).rpartition("/")[2]
    return "uri_file" if _FILE_NAME.fullmatch(last) else "uri_folder"

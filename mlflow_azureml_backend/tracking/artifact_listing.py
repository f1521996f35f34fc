"""Which artifacts are mirrored, and the list that tells of all of them."""

from __future__ import annotations

import json
import posixpath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

NONE, SMALL, ALL = "none", "small", "all"
ARTIFACT_LIST = "azureml/artifacts.json"
NOT_MIRRORED = "azureml/not-mirrored.jsonl"
_OURS = (ARTIFACT_LIST, NOT_MIRRORED)
_COPIED_BYTES = 10 * 1024 * 1024

# The service's own diagnostics, which stay where they are unless all is asked for.
_SERVICE_FOLDERS = ("system_logs/", "logs/azureml/", "azureml-logs/")


def reason_to_stay(file: Mapping[str, Any], choice: str) -> str | None:
    """Say why a file is not copied; None of one that is.

    Args:
        file: Its `path` and its `size` in bytes, or None where that is not known.
        choice: The config's `mirror_artifacts`.
    """
    path = str(file["path"])
    if choice == NONE:
        return "mirror_artifacts is none"
    if not _has_place(path):
        return "its path is not one that a run can have"
    if choice == ALL:
        return None
    if path.startswith(_SERVICE_FOLDERS):
        return "the service's own log"
    return "larger than 10 MB" if (file["size"] or 0) > _COPIED_BYTES else None


def listing(
    files: Sequence[Mapping[str, Any]],
    *,
    job_name: str,
    studio_url: str | None,
    reason: Callable[[Mapping[str, Any]], str | None],
) -> str:
    """Write the list of all artifacts as JSON; those that were not copied with a link.

    Args:
        files: Path and size of each.
        job_name: The job.
        studio_url: The job's page.
        reason: Says why a file was not copied; None of one that was.
    """
    entries = []
    for file in files:
        entry: dict[str, Any] = {"path": file["path"], "size": file["size"]}
        stays = reason(file)
        entry["copied"] = stays is None
        if stays is not None:
            entry["reason"] = stays
            entry["uri"] = f"azureml://jobs/{job_name}/outputs/artifacts/paths/{file['path']}"
            if studio_url:
                entry["link"] = studio_url
        entries.append(entry)
    return json.dumps(entries, indent=1, ensure_ascii=False)


def _has_place(path: str) -> bool:
    """Tell whether an artifact is inside the run and not in the way of the files made here."""
    normal = posixpath.normpath(path)
    if not path or normal != path.rstrip("/") or normal.startswith(("/", "..")) or normal == ".":
        return False
    return not any(
        ours == normal or ours.startswith(f"{normal}/") or normal.startswith(f"{ours}/")
        for ours in _OURS
    )

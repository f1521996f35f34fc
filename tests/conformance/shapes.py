"""Volatile values: what a service invents anew each time, reduced to what kind of thing it is."""

from __future__ import annotations

import re
from typing import Final

_MASKED: Final = re.compile(r"0{5,}|0{7,8}(-0+)+|REDACTED\w*")
_REPLACED: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (r"\?[^\"\s<>]*\bsig=[^\"\s<>]*", "?<sas>"),
        (r"\b[a-z0-9]+\.blob\.core\.windows\.net", "<account>.blob.core.windows.net"),
        (r"\b[a-z0-9-]+\.api\.azureml(-test)?\.ms", "<region>.api.azureml.ms"),
        (r"\b[a-z0-9-]+\.[a-z0-9]+\.notebooks\.azure\.net", "<notebooks>"),
        (r"/(storageAccounts|vaults|components|registries|namespaces)/[^/\"?]+", r"/\1/<name>"),
        (r"(?<=[/:])locations/[^/]+", "locations/<region>"),
        (r"\bvienna-[a-z0-9-]+", "<cluster>"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", "<time>"),
        (r"\d\d:\d\d:\d\d\.\d+", "<duration>"),
        (r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", "<date>"),
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<guid>"),
        (r"\b[0-9a-f]{8}-[0-9a-f]-<guid>", "<container>"),
        (r"\b0x8D[0-9A-F]+\b", "<etag>"),
        (r"\b([0-9a-f]{64}|[0-9a-f]{32}|[0-9a-f]{16})\b", "<hex>"),
    )
)
_RUN_STATUSES: Final = frozenset(
    {
        "NotStarted",
        "Starting",
        "Provisioning",
        "Preparing",
        "Queued",
        "Running",
        "Finalizing",
        "CancelRequested",
        "Completed",
        "Failed",
        "Canceled",
    }
)
TERMINAL: Final = frozenset({"Completed", "Failed", "Canceled"})
"""The statuses of a job that stay."""


def shape(text: str) -> str:
    """Replace what a service invents by the name of its kind, as `<guid>` or `<time>`."""
    for pattern, kind in _REPLACED:
        text = pattern.sub(kind, text)
    return text


def is_masked(text: str) -> bool:
    """Tell whether the recorder put a placeholder where the service had sent something else."""
    return _MASKED.fullmatch(text) is not None


def is_run_status(text: str) -> bool:
    """Tell whether a text is a status of the machine that jobs go through."""
    return text in _RUN_STATUSES

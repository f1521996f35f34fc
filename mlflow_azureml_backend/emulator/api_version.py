"""The `api-version` of a request to Azure Resource Manager, which answers none without one."""

from __future__ import annotations

import re
from datetime import date, datetime, timezone
from typing import Final

from mlflow_azureml_backend.emulator.errors import ServiceError

_VERSION: Final = re.compile(r"(?P<date>\d{4}-\d{2}-\d{2})(?:-[a-z]+)?", re.ASCII)
_FIRST: Final = date(2018, 3, 1)
"""The date of the first version of Azure Machine Learning's interface."""


def check_api_version(version: str | None, kind: str, region: str) -> None:
    """Refuse a request whose version cannot be one of the service.

    The service knows a list, which grows every few weeks; a client is not to fail here because it
    is newer than the emulator. So each date since the first version is taken for one.

    Args:
        version: what the query says; None when it does not.
        kind: the type of the resource that is asked for, for people.
        region: the region of the service, for people.

    Raises:
        ServiceError: 400 in Azure Resource Manager's own form.
    """
    if not version:
        raise ServiceError(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
            arm=True,
        )
    if not _is_known(version):
        raise ServiceError(
            400,
            "NoRegisteredProviderFound",
            f"No registered resource provider found for location '{region}' and API version "
            f"'{version}' for type '{kind}'. The supported api-versions are the dates from "
            f"'{_FIRST}-preview' to today's, such as '2024-04-01'. The supported locations are "
            f"'{region}'.",
            arm=True,
        )


def _is_known(version: str) -> bool:
    found = _VERSION.fullmatch(version)
    if found is None:
        return False
    try:
        published = date.fromisoformat(found["date"])
    except ValueError:
        return False
    # It may be tomorrow already where a version is published.
    return published >= _FIRST and (published - datetime.now(timezone.utc).date()).days <= 1

"""Where exchanges may break the OpenAPI of 2024-04-01, each with its reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.conformance.openapi import Problem


@dataclass(frozen=True)
class Exemption:
    """Let one kind of problem pass.

    Args:
        operation: a regular expression for the whole operation.
        part: `request`, `response` or `status`.
        field: a regular expression for the whole field.
        reason: why, for people.
        message: a regular expression that is found in the message.
        client: a regular expression that is found in the `User-Agent`.
    """

    operation: str
    part: str
    field: str
    reason: str
    message: str = ""
    client: str = ""


EXEMPTIONS: Final[tuple[Exemption, ...]] = (
    Exemption(
        operation=r"GET /subscriptions/[^/]+/providers/Microsoft\.MachineLearningServices"
        r"/locations/[^/]+/\w+Operation\w+/.+",
        part="request",
        field="",
        reason="The URL of an operation is the service's own; no specification describes it.",
    ),
    Exemption(
        operation="GET /metadata/endpoints",
        part="request",
        field="",
        reason="Azure Resource Manager itself answers it; no resource provider describes it.",
    ),
    Exemption(
        operation=".*",
        part="request",
        field=".*",
        reason="Tests ask by hand too, also for what is refused or ignored.",
        client=r"^python-requests/",
    ),
    Exemption(
        operation="Datastores_.*",
        part="response",
        field=r".*credentials",
        reason="`secrets` is required, and no recorded answer has it: they are never shown.",
        message="'secrets' is a required property",
    ),
    Exemption(
        operation="CodeVersions_CreateOrUpdate",
        part="request",
        field=r"properties\.properties\.hash_version",
        reason="azure-ai-ml sends a number where a text is specified; the service writes a text.",
        message="is not of type 'string'",
        client="^azure-ai-ml/",
    ),
    Exemption(
        operation="Jobs_CreateOrUpdate",
        part="request",
        field=r"properties\.(objective\.goal|samplingAlgorithm\.rule)",
        reason="azure-ai-ml writes it small, as in the recorded traffic, and the service takes it.",
        client="^azure-ai-ml/",
    ),
    Exemption(
        operation="Jobs_CreateOrUpdate",
        part="request",
        field=r"properties\.outputs\.[^.]+",
        reason="Outputs name assets since the preview versions of 2023; 2024-04-01 left it out.",
        message="'asset(Name|Version)'",
    ),
    Exemption(
        operation="Jobs_CreateOrUpdate",
        part="request",
        field=r"properties(\.queueSettings|\.resources)?",
        reason="Preview versions have these keys, and azure-ai-ml and this package name one.",
        message="'(priority|locations|maxInstanceCount|parentJobName)'",
        client="^(azure-ai-ml|mlflow-azureml-backend)/",
    ),
    Exemption(
        operation="Jobs_Get",
        part="response",
        field="",
        reason="A step of a pipeline is answered without them, as in the recorded traffic.",
        message="'properties' is a required property",
    ),
)
"""What may be."""


def is_exempt(problem: Problem, exchange: Mapping[str, Any]) -> bool:
    """Tell whether a problem of an exchange is let pass."""
    agent = exchange["request_headers"].get("user-agent", "")
    return any(
        re.fullmatch(each.operation, problem.operation)
        and each.part == problem.part
        and re.fullmatch(each.field, problem.field)
        and re.search(each.message, problem.message)
        and re.search(each.client, agent)
        for each in EXEMPTIONS
    )

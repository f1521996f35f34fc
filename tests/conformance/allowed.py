"""The differences from the service that are allowed, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.conformance.comparison import Difference
    from tests.conformance.recording import Exchange


@dataclass(frozen=True)
class Allowed:
    """Allow one kind of difference.

    Args:
        route: which exchanges, as `GET {WS}/jobs/*`; a star stands for anything.
        field: which field, as `properties.tags.*`; a star stands for anything.
        reason: why it is allowed, for people.
        kinds: which kinds of difference; see `Difference`.
        recorded: the status that was recorded; None stands for any value.
        answered: what the emulator's value begins with.
    """

    route: str
    field: str
    reason: str
    kinds: tuple[str, ...] = ("default", "pattern")
    recorded: int | None = None
    answered: str = ""

    def covers(self, exchange: Exchange, difference: Difference) -> bool:
        return (
            difference.kind in self.kinds
            and (self.recorded is None or self.recorded == difference.recorded)
            and str(difference.answered).startswith(self.answered)
            and fnmatchcase(exchange.route, self.route)
            and fnmatchcase(_plain(difference.field), self.field)
        )


ALLOWED: Final[tuple[Allowed, ...]] = (
    Allowed(
        "*",
        "error.additionalInfo<[EL]*>.info.value",
        "It names the region; an emulator is in the one region it was started with.",
    ),
    Allowed(
        "GET {WS}",
        "location",
        "It names the region; an emulator is in the one region it was started with.",
    ),
    Allowed(
        "* {WS}/jobs/*",
        "properties.services.Studio.endpoint",
        "The studio is the emulator's own page, which a browser on this machine can open.",
        kinds=("default", "pattern", "value"),
    ),
    Allowed(
        "GET {API}/discovery",
        "*",
        "The regional host is the only one that an emulator answers for; it has all services.",
    ),
    Allowed(
        "* {WS}/jobs/*",
        "properties.computeId",
        "Which compute a serverless job gets is the service's choice, and here there is none.",
        kinds=("type",),
    ),
    Allowed(
        "POST {WS}/jobs/*/cancel",
        "status",
        "The service answers 200 when the job was gone at once; both are in its specification.",
        kinds=("status",),
        recorded=200,
        answered="202",
    ),
    Allowed(
        "* {WS}/jobs/*",
        "properties.tags._aml_system_*",
        "The service's own notes on how far a sweep is; the trials and their values are there.",
        kinds=("missing", "pattern", "default"),
    ),
    Allowed(
        "* {WS}/jobs/*",
        "properties.properties.user_agent",
        "It names the build of the service.",
    ),
    Allowed(
        "PUT {WS}/jobs/*",
        "properties.inputs.*.uri",
        "The service makes data assets of a sweep's inputs; here they stay where they are.",
        kinds=("pattern",),
        answered="azureml://datastores/",
    ),
    Allowed(
        "* {WS}/jobs/*",
        "properties.properties.azureml.continue_on_step_failure",
        "What a pipeline does that is not told has changed: False in 2022, True in 2023.",
    ),
    Allowed(
        "PUT {WS}/components/*",
        "properties.componentSpec.version",
        "The service of 2022 wrote the version that it chose, the one of 2023 what was sent.",
    ),
    Allowed(
        "PUT {WS}/components/*",
        "properties.componentSpec.environment",
        "The service found it in a registry; the emulator has none.",
    ),
    Allowed(
        "PUT {WS}/components/*",
        "properties.componentSpec.$schema",
        "The service of 2022 added it; today's clients refuse it.",
        kinds=("missing",),
    ),
    Allowed(
        "POST {API}/history/v1.0{WS}/rundata",
        "runDefinition",
        "No client reads the definition of a pipeline's run.",
        kinds=("type",),
    ),
    Allowed(
        "* {API}/history/*",
        "*ancel*",
        "Clients cancel a pipeline as they cancel any job; the studio's own address is not there.",
        kinds=("missing", "type"),
    ),
    Allowed(
        "* {WS}/computes/*",
        "properties.properties.*NodeCount",
        "The emulator has no machines: a cluster has no nodes while nothing runs.",
    ),
    Allowed(
        "* {WS}/computes/*",
        "properties.properties.allocationState",
        "The emulator has no machines: a cluster is never on its way to another size.",
    ),
    Allowed(
        "* {WS}/*",
        "*systemData.*ByType",
        "What was there at first was made by the service; here the replay's client made it.",
    ),
    Allowed(
        "* {API}/history/*",
        "*logFiles.*",
        "Which log files there are depends on what ran; the replay runs nothing.",
        kinds=("missing",),
    ),
    Allowed(
        "* {API}/history/*",
        "*properties.*",
        "What ran wrote properties of its run; the replay runs nothing.",
        kinds=("missing", "default", "pattern", "type"),
    ),
    Allowed(
        "* {API}/history/*",
        "*tags.*",
        "What ran wrote tags of its run; the replay runs nothing.",
        kinds=("missing", "default"),
    ),
    Allowed(
        "* {API}/history/*",
        "*error.*",
        "What went wrong in the recorded job does not happen again: the replay runs nothing.",
        kinds=("default", "pattern", "type"),
    ),
    Allowed(
        "* {API}/history/*",
        "*",
        "How a run is counted, how long it took and on what is its own story.",
        kinds=("default", "pattern"),
    ),
    Allowed(
        "GET {WS}/environments/*",
        "*environmentType",
        "Curated environments come from the service; here the replay registers one by that name.",
    ),
)
"""What may differ."""


def _plain(field: str) -> str:
    """Write a field without the brackets that mean something in patterns."""
    return field.replace("[", "<").replace("]", ">")


def reason_for(exchange: Exchange, difference: Difference) -> str | None:
    """Give the reason why a difference is allowed, or None."""
    for entry in ALLOWED:
        if entry.covers(exchange, difference):
            return entry.reason
    return None

"""One fault: which requests it is for, how often it strikes, and what it does."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectKind:
    """Describe one kind of effect.

    Args:
        form: what its value has to be, in words, for messages.
        options: further keys that belong to it, and what they have to be.
        answers: it answers instead of the service, so that only one such fault strikes a request.
        summary: what it does, in a few words.
    """

    form: str
    summary: str
    options: Mapping[str, str] = field(default_factory=dict)
    answers: bool = False


_SECONDS: Final = "a number of seconds, 0 or more"
_ANY_SECONDS: Final = "a number of seconds, also a negative one"
_BYTES: Final = "a whole number of bytes, 1 or more"
_TRUE: Final = "true"
_BOOLEAN: Final = "true or false"

EFFECTS: Final[Mapping[str, EffectKind]] = MappingProxyType(
    {
        "status": EffectKind(
            form="an HTTP status from 400 to 599",
            summary="answer with this status, in the service's own words",
            options={"retry_after": _SECONDS, "html": _BOOLEAN, "handled": _BOOLEAN},
            answers=True,
        ),
        "reset": EffectKind(
            form='"before" or "after"',
            summary="reset the connection before or after the request was carried out",
            answers=True,
        ),
        "hang": EffectKind(
            form="true or a number of seconds, 0 or more",
            summary="never answer; reset the connection after so many seconds",
            answers=True,
        ),
        "expired_token": EffectKind(
            form=_TRUE, summary="refuse the bearer token as expired", answers=True
        ),
        "expired_sas": EffectKind(
            form=_TRUE, summary="refuse the shared access signature as expired", answers=True
        ),
        "latency": EffectKind(
            form=_SECONDS,
            summary="wait before the request is carried out",
            options={"jitter": _SECONDS},
        ),
        "slow": EffectKind(form=_BYTES, summary="send so many bytes of the body a second"),
        "truncate": EffectKind(
            form="true or a whole number of bytes, 0 or more",
            summary="end the connection after so many bytes of the body; true: after half of it",
        ),
        "token_lifetime": EffectKind(
            form=_ANY_SECONDS, summary="issue tokens that are good for so long"
        ),
        "sas_lifetime": EffectKind(
            form=_ANY_SECONDS, summary="issue signed URLs that are good for so long"
        ),
        "log_fragments": EffectKind(
            form=_BYTES, summary="let each read of a log see so many bytes more than the last"
        ),
        "log_truncated": EffectKind(
            form="a whole number of bytes, 0 or more",
            summary="show no more of a log than its first bytes",
        ),
        "log_rotated": EffectKind(
            form=_BYTES, summary="let a log begin anew whenever so many bytes were written"
        ),
        "lag": EffectKind(form=_SECONDS, summary="tell what was true so many seconds ago"),
        "lag_answers": EffectKind(
            form="a whole number, 1 or more", summary="tell what was true so many answers ago"
        ),
        "status_order": EffectKind(
            form='"duplicate" or "out_of_order"',
            summary="tell a job's status twice, or its former status once more after the new one",
        ),
    }
)
"""What a fault may do, by the key that says so in its JSON form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Say what goes wrong, for which requests and how often.

    Args:
        effect: what it does, one of `EFFECTS`.
        value: the effect's value, for example the status.
        options: further settings of the effect.
        route: `METHOD host/path`, with `*` for anything and `{name}` for one segment; the method
            may be left out, and so may the host where the path begins with a slash. Empty: all.
        service: `arm`, `api`, `blob`, `login` or `vault`. Empty: all.
        workspace: the ARM id of a workspace in lower case. Empty: all.
        client: part of the User-Agent, with `*` for anything. Empty: all.
        skip: so many matching requests pass unharmed before the first one is struck.
        count: so many requests are struck at most; None: all.
        probability: the chance, from 0 to 1, that a matching request is struck.
        seed: makes those chances the same every time; None takes a new one.
    """

    effect: str
    value: bool | float | str
    options: Mapping[str, bool | float] = field(default_factory=dict)
    route: str = ""
    service: str = ""
    workspace: str = ""
    client: str = ""
    skip: int = 0
    count: int | None = None
    probability: float = 1.0
    seed: int | None = None

    @property
    def answers(self) -> bool:
        """Tell whether it answers instead of the service."""
        return EFFECTS[self.effect].answers

    def as_json(self) -> dict[str, Any]:
        """Give the form in which it is configured, without what is left at its default."""
        written: dict[str, Any] = {self.effect: self.value, **self.options}
        for each in fields(self)[3:]:
            value = getattr(self, each.name)
            if value != each.default:
                written[each.name] = value
        return written

    def __str__(self) -> str:
        """Name the effect and its value, for people: `status 429`."""
        return self.effect if self.value is True else f"{self.effect} {self.value}"

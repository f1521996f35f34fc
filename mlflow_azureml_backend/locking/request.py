"""What a lock has to answer: the packages asked for, and the hash by which a lock fits them."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import LockError
from mlflow_azureml_backend.locking.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Changed when locks are made in another way, so that old ones no longer fit.
_FORMAT = 1

# What pip installs and nobody can hash in advance: a checkout, a folder or file of this machine.
_UNHASHED = re.compile(r"(^|@\s*)(git|hg|svn|bzr)\+|^(-e|--editable)\b|^(\.{0,2}/|[A-Za-z]:\\)")
_FILE_OPTION = re.compile(r"^(-c|--constraint|-r|--requirement)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRequest:
    """Hold what is to be locked, the same for every spelling that means the same.

    Args:
        channels: Conda channels, the first one first.
        packages: Conda specs, sorted.
        requirements: pip requirements, sorted.
        options: pip's options, in the order given.
        platforms: Conda platforms; the job runs on the first.
    """

    channels: tuple[str, ...]
    packages: tuple[str, ...]
    requirements: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    platforms: tuple[str, ...]

    @property
    def content_hash(self) -> str:
        """What a lock must carry to fit; secrets in URLs do not count."""
        text = json.dumps([_FORMAT, self.as_document()], sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def as_document(self) -> dict[str, list[str]]:
        """Give the request as JSON has it, without the secrets that URLs may hold."""
        return {
            "channels": [without_secrets(channel) for channel in self.channels],
            "packages": [without_secrets(package) for package in self.packages],
            "requirements": [without_secrets(line) for line in self.requirements],
            "options": [without_secrets(line) for line in self.options],
            "platforms": list(self.platforms),
        }


def lock_request(
    conda: Mapping[str, Any], *, channels: Sequence[str] | None, platforms: Sequence[str]
) -> LockRequest:
    """Read what is to be locked out of a conda environment.

    Args:
        conda: The conda file's content, plugin injected.
        channels: Used instead of the file's, or None.
        platforms: Conda platforms.

    Raises:
        LockError: A pip requirement has no hash that could be known in advance.
    """
    dependencies = conda.get("dependencies") or []
    packages = {_squeezed(item) for item in dependencies if isinstance(item, str)}
    lines = [
        _squeezed(line) for item in dependencies if isinstance(item, dict) for line in item["pip"]
    ]
    for line in lines:
        _check_hashable(line)
    requirements = {line for line in lines if not line.startswith("-")}
    if requirements and not any(re.match(r"(?:\S+::)?pip\b(?!-)", item) for item in packages):
        packages.add("pip")  # as conda does
    named = list(channels or conda.get("channels") or ["defaults"])
    return LockRequest(
        # rattler and conda-lock never add `defaults` to channels that are given.
        channels=tuple(dict.fromkeys(name for name in named if name != "nodefaults")),
        packages=tuple(sorted(packages)),
        requirements=tuple(sorted(requirements)),
        options=tuple(dict.fromkeys(line for line in lines if line.startswith("-"))),
        platforms=tuple(platforms),
    )


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Tell how what is asked for has changed since a lock was made.

    Args:
        before: The request that the lock answers, as JSON has it.
        after: The request of now.
    """
    found: list[str] = []
    for key, now in after.items():
        then = before.get(key)
        then = then if isinstance(then, list) else []
        if key in {"packages", "requirements"}:
            found += _replaced(_without(then, now), _without(now, then))
        elif then != now:
            found.append(f"{key}: {', '.join(then) or 'none'} → {', '.join(now) or 'none'}")
    return found


def _check_hashable(line: str) -> None:
    if _FILE_OPTION.match(line):
        raise LockError(
            f"The pip line `{line}` names a file, which Azure ML does not have when it builds the "
            "environment. Write its lines into the environment file."
        )
    if _UNHASHED.search(line):
        raise LockError(
            f"The pip line `{without_secrets(line)}` cannot be locked: a version control checkout "
            "or a file of this machine has no hash that pip could check. Name a release or the "
            "URL of a wheel or archive instead, or set `lock` to false."
        )


def _replaced(gone: Sequence[str], new: Sequence[str]) -> list[str]:
    """Tell each package once: asked for otherwise, no longer, or for the first time."""
    then, now = ({_name(item): item for item in items} for items in (gone, new))
    changed = [f"{then[name]} → {now[name]}" for name in then if name in now]
    removed = [f"- {item}" for item in gone if _name(item) not in now]
    added = [f"+ {item}" for item in new if _name(item) not in then]
    return [*changed, *removed, *added]


def _name(text: str) -> str:
    return re.split(r"[^\w.-]", text.rpartition("::")[2], maxsplit=1)[0].lower()


def _without(items: Iterable[str], others: Iterable[str]) -> list[str]:
    known = set(others)
    return [item for item in items if item not in known]


def _squeezed(text: str) -> str:
    return " ".join(text.split())

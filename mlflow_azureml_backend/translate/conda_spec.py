"""Conda's dependency specs: in an order of their own, and read as pip requirements."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mlflow_azureml_backend.errors import EnvironmentSpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

# [channel::]name, then a version and a build after `=` or a space, or [version='…', …].
_SPEC = re.compile(
    r"^(?:\S+::)?(?P<name>\w[\w.-]*)\s*(?P<version>[^\[:]*)(?:\[(?P<fields>.*)\])?$", re.DOTALL
)
_VERSION_FIELD = re.compile(r"\bversion\s*=\s*(?:'([^']*)'|\"([^\"]*)\"|([^,]*))")
_BOUND = re.compile(r"(?P<operator>[=<>!~]=|[=<>]|)(?P<number>[^=<>!~]*)")
_SPACED = re.compile(r"\s*([,|<>=!~]+)\s*")


def in_order(conda: Mapping[str, Any]) -> dict[str, Any]:
    """Sort what has no order in a conda file, so that the same environment is the same text.

    Azure ML finds an environment again by a hash of its text. Neither conda nor pip cares for the
    order of dependencies; that of channels says which goes first, and stays.

    Args:
        conda: The conda file's content.
    """
    dependencies = conda.get("dependencies") or []
    specs = {item for item in dependencies if isinstance(item, str)}
    lines = {line for item in dependencies if isinstance(item, dict) for line in item["pip"]}
    pip = [{"pip": sorted(lines)}] if lines else []
    return {**conda, "dependencies": [*sorted(specs), *pip]}


def package_of(spec: str) -> str:
    """Name the package of a conda spec."""
    return _match(spec)["name"].lower()


def as_requirement(spec: str) -> str:
    """Spell a conda spec as a pip requirement with the same version bounds.

    Channel and build are left out; so are bounds that pip cannot say (`1.1|1.3`).

    Args:
        spec: For instance `conda-forge::mlflow=2.3` or `python >=3.8,<3.11`.

    Raises:
        EnvironmentSpecError: It is no conda spec.
    """
    match = _match(spec)
    version = match["version"].strip()
    if not version and (field := _VERSION_FIELD.search(match["fields"] or "")):
        version = next(filter(None, field.groups()), "")
    version = _SPACED.sub(r"\1", version.strip()).split(" ")[0]
    if "|" in version:
        return match["name"]
    return match["name"] + ",".join(filter(None, map(_bound, version.split(","))))


def _bound(text: str) -> str:
    match = _BOUND.match(text)
    operator, number = match.groups() if match else ("", "")
    # conda's `=1.2` and `1.2*` are prefixes, its bare `1.2` is exact.
    prefix = ".*" if operator == "=" or number.endswith("*") else ""
    number = number.rstrip("*").rstrip(".")
    if not number:
        return ""
    if operator in {"", "=", "==", "!="}:
        return f"{'!=' if operator == '!=' else '=='}{number}{prefix}"
    return f"{operator}{number}"


def _match(spec: str) -> re.Match[str]:
    match = _SPEC.match(spec.strip())
    if match is None:
        raise EnvironmentSpecError(f"conda file: {spec!r} is no conda dependency.")
    return match

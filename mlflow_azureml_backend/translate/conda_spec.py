"""Conda's dependency specs, read as pip requirements."""

from __future__ import annotations

import re

from mlflow_azureml_backend.errors import EnvironmentSpecError

# [channel::]name, then a version and a build after `=` or a space, or [version='…', …].
_SPEC = re.compile(
    r"^(?:\S+::)?(?P<name>\w[\w.-]*)\s*(?P<version>[^\[:]*)(?:\[(?P<fields>.*)\])?$", re.DOTALL
)
_VERSION_FIELD = re.compile(r"\bversion\s*=\s*(?:'([^']*)'|\"([^\"]*)\"|([^,]*))")
_BOUND = re.compile(r"(?P<operator>[=<>!~]=|[=<>]|)(?P<number>[^=<>!~]*)")
_SPACED = re.compile(r"\s*([,|<>=!~]+)\s*")


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

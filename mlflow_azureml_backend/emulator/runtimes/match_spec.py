"""Conda's match specs, translated to the version specifiers of PEP 440."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet

_SPEC: Final = re.compile(
    r"(?:[^\s=<>!~\[\]]+::?)?"  # the channel, perhaps with a subdirectory
    r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_.\-]*)"
    r"(?P<version>(?:[\s=<>!~][^\[\]]*)?)"
    r"(?:\[(?P<keys>.*)\])?"
)
_KEY: Final = re.compile(r"""(\w+)\s*=\s*(?:'([^']*)'|"([^"]*)"|([^,\]\s]+))""")
_SPACES_AROUND_OPERATORS: Final = re.compile(r"\s*([=<>!~,|]+)\s*")
_CLAUSE: Final = re.compile(r"(==|!=|<=|>=|~=|=|<|>|)([^=<>!~].*)")
_RELEASE: Final = re.compile(r"\d+(\.\d+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchSpec:
    """Hold what a match spec says that pip can be told.

    Args:
        name: the package's name in the conda channels, in lower case.
        specifier: the versions, as in PEP 440; empty for any.
        note: what was left out, for people; empty when nothing was.
    """

    name: str
    specifier: str = ""
    note: str = ""


def parse_match_spec(text: str) -> MatchSpec | None:
    """Read one dependency of a conda file, for example `numpy=1.26` or `conda-forge::pip`.

    Channels and build strings say nothing to pip and are left out, build strings with a note.

    Args:
        text: the dependency.

    Returns:
        None when it is none.
    """
    found = _SPEC.fullmatch(text.strip())
    if found is None:
        return None
    keys = {key: a or b or c for key, a, b, c in _KEY.findall(found["keys"] or "")}
    version, build = _version_and_build(keys.get("version") or found["version"])
    build = keys.get("build") or build
    notes = []
    try:
        specifier = _specifier(version)
    except InvalidSpecifier:
        specifier = ""
        notes.append(f"pip has no such version as '{version}': any version is taken.")
    if build and build != "*":
        notes.append(f"the build '{build}' is left out.")
    return MatchSpec(name=found["name"].lower(), specifier=specifier, note=" ".join(notes))


def _version_and_build(text: str) -> tuple[str, str]:
    text = _SPACES_AROUND_OPERATORS.sub(r"\1", text.strip())
    if " " in text:
        # `1.26 py311_0` and `>=1.26 py311_0`
        version, _, build = text.partition(" ")
        return version, build.strip()
    with_build = re.fullmatch(r"={1,2}([^=<>!~,|]+)=([^=<>!~,|]+)", text)
    if with_build:
        return f"=={with_build[1]}", with_build[2]
    return text, ""


def _specifier(version: str) -> str:
    if version in {"", "*", "=*", "==*"}:
        return ""
    if "|" in version:
        raise InvalidSpecifier(version)
    clauses = []
    for clause in version.split(","):
        found = _CLAUSE.fullmatch(clause)
        if found is None:
            raise InvalidSpecifier(version)
        clauses.append(_clause(found[1], found[2]))
    text = ",".join(clauses)
    SpecifierSet(text)  # raises; it does not keep the order, so the text itself is given
    return text


def _clause(operator: str, version: str) -> str:
    starred = version.endswith("*")
    plain = version.rstrip("*").rstrip(".") if starred else version
    if operator in {"<", "<=", ">", ">=", "~="}:
        return f"{operator}{plain}"
    if operator == "!=":
        return f"!={plain}.*" if starred else f"!={plain}"
    if operator == "=" or starred:
        # One `=` means any version that begins so; only plain releases can be said so to pip.
        return f"=={plain}.*" if _RELEASE.fullmatch(plain) else f"=={plain}"
    return f"=={plain}"

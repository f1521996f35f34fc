"""URLs without the secrets that they may hold."""

from __future__ import annotations

import re

# `user:password@` of any URL, and the token of a private conda channel.
_USER = re.compile(r"(?<=://)[^/?#\s@]+@")
_TOKEN = re.compile(r"(?<=://)([^\s]*?)/t/[^/\s]+")


def without_secrets(text: str) -> str:
    """Remove user names, passwords and tokens from every URL in a text.

    Args:
        text: A URL, or a text that may quote one.
    """
    return _TOKEN.sub(r"\1", _USER.sub("", text))

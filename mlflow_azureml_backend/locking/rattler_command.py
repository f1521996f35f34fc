"""A small `conda` for machines that have none: it solves with rattler, and installs nothing.

conda-lock runs `conda create --dry-run --json …` and reads the answer. This program understands
that call, and being asked for its version. It imports nothing of this package.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from typing import Any

_DEFAULTS = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")


def main(arguments: list[str]) -> int:
    """Answer conda's `create --dry-run --json`.

    Args:
        arguments: As conda gets them.

    Returns:
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="conda", allow_abbrev=False)
    # conda-lock asks for the version and compares it with conda's and mamba's own.
    parser.add_argument("--version", action="version", version="rattler")
    for flag in ("--dry-run", "--json"):
        parser.add_argument(flag, action="store_true", required=True)
    parser.add_argument("--override-channels", action="store_true")
    parser.add_argument("--prefix")
    parser.add_argument("--channel", action="append", default=[])
    parser.add_argument("specs", nargs="+")
    asked = parser.parse_args(arguments[1:] if arguments[:1] == ["create"] else arguments)
    try:
        records = asyncio.run(
            _solved(asked.channel, asked.specs, os.environ.get("CONDA_SUBDIR") or "linux-64")
        )
    except Exception as error:  # noqa: BLE001  # conda-lock reads the reason of any failure here
        print(json.dumps({"success": False, "message": str(error)}))  # noqa: T201
        return 1
    print(json.dumps({"success": True, "actions": {"FETCH": records, "LINK": []}}))  # noqa: T201
    return 0


async def _solved(channels: list[str], specs: list[str], platform: str) -> list[dict[str, Any]]:
    from rattler import (
        Channel,
        ChannelConfig,
        Client,
        Config,
        Gateway,
        MatchSpec,
        solve,
    )

    alias = os.environ.get("CONDA_CHANNEL_ALIAS")
    config = ChannelConfig(alias) if alias else ChannelConfig()
    names = [url for name in channels for url in (_DEFAULTS if name == "defaults" else (name,))]
    # The certificates of the machine, as pip and uv have them here.
    client = Client.from_config(Config.from_toml('tls-root-certs = "system"'))
    records = await solve(
        [Channel(name, config) for name in names],
        [MatchSpec(spec, strict=False) for spec in specs],
        gateway=Gateway(client=client),
        platforms=[platform, "noarch"],  # type: ignore[list-item]  # any text that it knows
        # What the platform has comes from a channel of conda-lock's own, never from this machine.
        virtual_packages=[],
    )
    return [_as_conda_tells(record) for record in records]


def _as_conda_tells(record: Any) -> dict[str, Any]:
    return {
        "name": record.name.normalized,
        "version": str(record.version),
        "build": str(record.build),
        "channel": str(record.channel),
        "url": str(record.url),
        "fn": str(record.file_name),
        "subdir": str(record.subdir),
        "md5": record.md5.hex() if record.md5 else "",
        "sha256": record.sha256.hex() if record.sha256 else None,
        "depends": [str(spec) for spec in record.depends],
    }


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Rattler's threads may outlive the solve, and crash a Python that ends in the ordinary way.
    os._exit(code)

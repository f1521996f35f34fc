"""Run an emulator in this process: `python -m mlflow_azureml_backend.emulator`."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from mlflow_azureml_backend.emulator.emulation import Settings
from mlflow_azureml_backend.emulator.endpoint import default_root
from mlflow_azureml_backend.emulator.runtimes.availability import (
    RUNTIMES,
    RuntimeUnavailableError,
)


def main(arguments: list[str] | None = None) -> int:
    """Run an emulator until it ends.

    Args:
        arguments: the command line's; None takes those of the process.

    Returns:
        The exit code: 0 after an orderly end, 1 when it cannot start.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    # What they say at lower levels speaks of their insides, once for each connection.
    for name in ("uvicorn", "asyncio", "urllib3", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    from mlflow_azureml_backend.emulator.server import serve

    settings = Settings(
        root=options.root.expanduser().absolute(),
        region=options.region,
        runtime=options.runtime,
        idle_seconds=options.idle_seconds or None,
        dwell_seconds=options.dwell_seconds,
        record=options.record and options.record.expanduser().absolute(),
        pass_through=options.pass_through,
    )
    try:
        serve(settings, port=options.port)
    except (OSError, TimeoutError, RuntimeUnavailableError) as error:
        logging.getLogger(__name__).error("cannot start: %s", error)  # noqa: TRY400
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mlflow_azureml_backend.emulator",
        description="Run a loopback Azure ML workspace in this process.",
    )
    parser.add_argument("--root", type=Path, default=default_root(), help="state directory")
    parser.add_argument("--port", type=int, default=0, help="the front's port; 0 chooses")
    parser.add_argument("--region", default="eastus", help="the region it claims to be in")
    parser.add_argument("--runtime", choices=RUNTIMES, default="venv", help="for jobs")
    parser.add_argument(
        "--idle-seconds", type=float, default=1800.0, help="ends itself after; 0 never does"
    )
    parser.add_argument(
        "--dwell-seconds", type=float, default=0.3, help="in each transitional status of a job"
    )
    parser.add_argument(
        "--no-pass-through",
        dest="pass_through",
        action="store_false",
        help="let the proxy lead to emulated hosts alone",
    )
    parser.add_argument("--record", type=Path, metavar="FILE", help="write all exchanges to it")
    parser.add_argument("--verbose", action="store_true", help="log every request")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Replay recordings against an emulator: `python -m tests.conformance.replay FILE…`.

Prints what came of each exchange, and exits with 1 when a difference is left that nothing explains.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.conformance.client import Client
from tests.conformance.recording import RecordingError, read
from tests.conformance.session import ALLOWED, DIFFERENT, SAME, UNSUPPORTED, Result, Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlflow_azureml_backend.emulator.endpoint import Endpoint
    from tests.conformance.recording import Exchange


class Replayer:
    """Replay recordings against one emulator.

    Args:
        endpoint: the emulator.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        from mlflow_azureml_backend.emulator.administration import status

        self._endpoint = endpoint
        self._client = Client(endpoint)
        self._region = str(status(endpoint)["region"])

    def replay(self, exchanges: Sequence[Exchange]) -> list[Result]:
        """Replay one recording in a workspace of its own."""
        session = Session(self._client, self._make_workspace, self._region, exchanges)
        return list(session.run())

    def close(self) -> None:
        self._client.close()

    def _make_workspace(self, subscription: str, group: str, name: str) -> None:
        from mlflow_azureml_backend.emulator.administration import request

        path = f"{subscription}/{group}/{name}"
        request(self._endpoint, "PUT", f"/_emulator/workspaces/{path}")


@contextlib.contextmanager
def replaying(root: Path | None = None) -> Iterator[Replayer]:
    """Give what replays recordings, on an emulator of its own unless one is named.

    Args:
        root: the state directory of an emulator that runs.

    Raises:
        SystemExit: none runs there.
    """
    from mlflow_azureml_backend.emulator import lifecycle

    if root is not None:
        endpoint = lifecycle.running(root)
        if endpoint is None:
            raise SystemExit(f"No emulator runs on {root}.")
        with contextlib.closing(Replayer(endpoint)) as replayer:
            yield replayer
        return
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        own = Path(folder) / "root"
        # A job stays in each status for a moment, so that a client can cancel it on its way.
        endpoint = lifecycle.start(own, runtime="host", dwell_seconds=0.3, idle_seconds=600)
        try:
            with contextlib.closing(Replayer(endpoint)) as replayer:
                yield replayer
        finally:
            lifecycle.stop(own)


def main(arguments: list[str] | None = None) -> int:
    """Replay the files of a command line.

    Returns:
        The exit code: 0, or 1 with a difference that nothing explains, or 2 for a file that is no
        recording.
    """
    options = _parser().parse_args(arguments)
    try:
        recordings = {file: read(file) for file in options.files}
    except RecordingError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    results: dict[Path, list[Result]] = {}
    with replaying(options.root) as replayer:
        for file, exchanges in recordings.items():
            results[file] = replayer.replay(exchanges)
            if not options.json:
                sys.stdout.write(table(file, results[file], quiet=options.quiet))
                sys.stdout.flush()
    every = [result for each in results.values() for result in each]
    if options.json:
        document = {
            str(file): [_as_json(each) for each in found] for file, found in results.items()
        }
        sys.stdout.write(f"{json.dumps(document, indent=2, default=str)}\n")
    else:
        sys.stdout.write(f"{len(results)} recordings: {_counted(every)}\n")
    return 1 if any(result.verdict == DIFFERENT for result in every) else 0


def table(file: Path, results: Sequence[Result], *, quiet: bool = False) -> str:
    """Write the results of one recording as a table of plain text.

    Args:
        file: the recording.
        results: its results.
        quiet: leave out exchanges that are the same.
    """
    lines = [f"{file.name}: {_counted(results)}"]
    for result in results:
        if quiet and result.verdict in {SAME, ALLOWED}:
            continue
        exchange = result.exchange
        lines.append(
            f"  {exchange.number:>4}  {result.verdict:<11}  {exchange.status}  {exchange.label}"
        )
        lines.extend(f"{'':23}{difference}" for difference in result.differences)
        lines.extend(f"{'':23}because: {reason}" for reason in result.reasons)
    return "\n".join(lines) + "\n"


def _counted(results: Sequence[Result]) -> str:
    counts = Counter(result.verdict for result in results)
    verdicts = (SAME, ALLOWED, UNSUPPORTED, DIFFERENT)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in verdicts)


def _as_json(result: Result) -> dict[str, Any]:
    exchange = result.exchange
    return {
        "number": exchange.number,
        "exchange": exchange.label,
        "status": exchange.status,
        "verdict": result.verdict,
        "reasons": list(result.reasons),
        "differences": [
            {
                "field": each.field,
                "kind": each.kind,
                "recorded": each.recorded,
                "answered": each.answered,
            }
            for each in result.differences
        ],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance.replay",
        description="Replay recorded traffic of Azure ML against the emulator, and compare.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a recording")
    parser.add_argument("--root", type=Path, help="use the emulator of this state directory")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--quiet", action="store_true", help="leave out what is the same or allowed"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

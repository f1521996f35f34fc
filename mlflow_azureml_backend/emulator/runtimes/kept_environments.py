"""Environments that are built once for all who ask, and found again by what is in them."""

from __future__ import annotations

import hashlib
import json
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

from mlflow_azureml_backend.emulator.runtimes import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TextIO

_COMPLETE: Final = "emulator-complete.json"


class KeptEnvironments:
    """Let one caller build an environment, and give it to all who ask for it meanwhile.

    Any number of jobs may ask for the same environment at once: one builds it, all get it, or all
    get its error. The methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[dict[str, Any]]] = {}

    def obtain(
        self,
        key: str,
        log: TextIO,
        *,
        find: Callable[[], dict[str, Any] | None],
        build: Callable[[], dict[str, Any]],
    ) -> dict[str, Any]:
        """Find an environment, build it, or wait for another caller who builds it.

        Args:
            key: what environments of the same content have in common.
            log: where it tells which of the three it does.
            find: gives the facts of the environment when it is whole, else None; has to be quick.
            build: builds it and gives its facts; logs why it cannot.

        Returns:
            What is known of the environment.

        Raises:
            BuildError: it cannot be had.
        """
        with self._lock:
            result = self._under_way.get(key)
            builds = result is None
            if result is None:
                facts = find()
                if facts is not None:
                    log.write("It is built already.\n")
                    return facts
                result = self._under_way[key] = Future()
        if builds:
            self._build_for_all(key, build, result)
            facts = result.result()
            log.write("The environment is built.\n")
            return facts
        log.write("It is being built for another job; waiting for that.\n")
        log.flush()
        try:
            return result.result()
        except BuildError as error:
            log.write(f"{error.explanation.rstrip()}\n")
            raise

    def _build_for_all(
        self, key: str, build: Callable[[], dict[str, Any]], result: Future[dict[str, Any]]
    ) -> None:
        try:
            facts = build()
        except BaseException as error:  # noqa: BLE001 (whoever waits gets it, this caller too)
            result.set_exception(error)
        else:
            result.set_result(facts)
        finally:
            with self._lock:
                del self._under_way[key]


def content_hash(*content: Any) -> str:
    """Give the name under which an environment is kept.

    Args:
        content: all that it is made of, as JSON has it.
    """
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def complete_facts(place: Path) -> dict[str, Any] | None:
    """Give the facts of an environment in a folder; None when it is not there or not whole.

    Args:
        place: its folder.
    """
    try:
        return dict(json.loads((place / _COMPLETE).read_bytes()))
    except FileNotFoundError:
        return None


def mark_complete(place: Path, facts: dict[str, Any]) -> None:
    """Write down that an environment is whole.

    An environment cannot be built elsewhere and moved into place, for its programs name their own
    folder. So a file that is written last tells a whole one from one whose build was cut off.

    Args:
        place: its folder.
        facts: what is to be known of it, as JSON has it.
    """
    (place / _COMPLETE).write_text(json.dumps(facts), encoding="utf-8")

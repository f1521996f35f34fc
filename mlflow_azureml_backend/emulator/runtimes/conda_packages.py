"""Conda packages: solved and installed by rattler, with no conda on the machine.

This module imports rattler, which is large and comes with an extra: it is itself imported late.
"""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rattler import (
    Channel,
    ChannelConfig,
    Client,
    Config,
    Gateway,
    MatchSpec,
    VirtualPackage,
    VirtualPackageOverrides,
    install,
    solve,
)
from rattler import exceptions as rattler_errors
from rattler.install import InstallerReporter

from mlflow_azureml_backend.emulator.runtimes import BuildError
from mlflow_azureml_backend.emulator.runtimes.uv import without_credentials

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from pathlib import Path
    from typing import TextIO

    from rattler import RepoDataRecord

_Result = TypeVar("_Result")

_ALIAS: Final = "https://conda.anaconda.org/"
_DEFAULTS: Final = (
    "https://repo.anaconda.com/pkgs/main",
    "https://repo.anaconda.com/pkgs/r",
)
_FAILURES: Final = (
    rattler_errors.FetchRepoDataError,
    rattler_errors.GatewayError,
    rattler_errors.InstallerError,
    rattler_errors.InvalidChannelError,
    rattler_errors.InvalidUrlError,
    rattler_errors.IoError,
    rattler_errors.LinkError,
    rattler_errors.SolverError,
    rattler_errors.TransactionError,
    rattler_errors.DetectVirtualPackageError,
    rattler_errors.VirtualPackageOverrideError,
    OSError,
)
"""What a file, a channel or the network can be the cause of; anything else is a defect."""


class CondaPackages:
    """Install conda packages, for one environment after the other or many at once.

    Args:
        cache: where what was downloaded is kept, for all environments.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._running: dict[asyncio.Task[Any], asyncio.AbstractEventLoop] = {}
        self._closed = False

    def install(
        self, channels: Sequence[str], specs: Sequence[str], prefix: Path, log: TextIO
    ) -> None:
        """Find packages that go together and install them; blocks until they are there.

        Args:
            channels: where they come from, by name or URL, the first one first.
            specs: what is asked for, as match specs.
            prefix: the folder they are installed in.
            log: where it tells what it does, without passwords in URLs.

        Raises:
            BuildError: there are no such packages, or they cannot be installed.
        """
        try:
            self._run(self._install(channels, specs, prefix, log))
        except _FAILURES as error:
            raise BuildError(without_credentials(str(error)).strip()) from None
        except asyncio.CancelledError:
            raise BuildError("The emulator is stopping.") from None

    def close(self) -> None:
        """End what is under way, and begin nothing any more."""
        with self._lock:
            self._closed = True
            for task, loop in self._running.items():
                loop.call_soon_threadsafe(task.cancel)

    def _run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        async def registered() -> _Result:
            task = asyncio.ensure_future(work)
            with self._lock:
                if self._closed:
                    task.cancel()
                self._running[task] = asyncio.get_running_loop()
            try:
                return await task
            finally:
                with self._lock:
                    del self._running[task]

        return asyncio.run(registered())

    async def _install(
        self, channels: Sequence[str], specs: Sequence[str], prefix: Path, log: TextIO
    ) -> None:
        # The certificates of the machine, as uv has them, and its proxy.
        client = Client.from_config(Config.from_toml('tls-root-certs = "system"'))
        sources = [channel for name in channels or ["defaults"] for channel in _channels(name)]
        log.writelines(f"Channel: {without_credentials(source.base_url)}\n" for source in sources)
        log.flush()
        wanted = [_match_spec(spec) for spec in specs]
        records = await solve(
            sources,
            wanted,
            gateway=Gateway(cache_dir=self._cache / "repodata", client=client),
            virtual_packages=VirtualPackage.detect(VirtualPackageOverrides.from_env()),
        )
        log.writelines(sorted(f"  {_described(record)}\n" for record in records))
        log.flush()
        await install(
            records,
            prefix,
            cache_dir=self._cache / "packages",
            client=client,
            execute_link_scripts=True,  # conda runs them too, and jobs run with the same rights
            # Its other methods are all there: they do nothing, which is taken for being abstract.
            reporter=_Progress(log),  # type: ignore[abstract]
        )


class _Progress(InstallerReporter):
    """Tell of each package, once."""

    def __init__(self, log: TextIO) -> None:
        self._log = log

    def on_transaction_start(self, total_operations: int) -> None:
        self._say(f"Installing {total_operations} packages.")

    def on_link_start(self, operation: int, package_name: str) -> int:
        self._say(f"Linking {package_name}")
        return operation

    def on_transaction_complete(self) -> None:
        self._say("All packages are installed.")

    def _say(self, line: str) -> None:
        # Its threads go on for a moment when the build was given up and its log is closed.
        with suppress(ValueError):
            self._log.write(f"{line}\n")
            self._log.flush()


def _match_spec(text: str) -> MatchSpec:
    try:
        return MatchSpec(text, strict=False)
    except (
        rattler_errors.InvalidMatchSpecError,
        rattler_errors.InvalidPackageNameError,
    ) as error:
        raise BuildError(
            f"The conda file's dependency '{text}' is not a match spec: {error}"
        ) from None


def _channels(name: str) -> list[Channel]:
    if name == "defaults":
        return [Channel(url) for url in _DEFAULTS]
    if name == "nodefaults":  # conda adds `defaults` to a file that does not say so; rattler never
        return []
    return [Channel(name, ChannelConfig(os.environ.get("CONDA_CHANNEL_ALIAS") or _ALIAS))]


def _described(record: RepoDataRecord) -> str:
    return f"{record.name.normalized} {record.version} {record.build}"

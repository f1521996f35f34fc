"""uv as the builder of environments: how it is called, and what it is told of its surroundings."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlflow_azureml_backend.emulator.runtimes import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TextIO

_PIP_CONFIGURATION: Final = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_CERT": "SSL_CERT_FILE",
}
"""uv reads none of pip's variables; these mean the same."""

_ENVIRONMENT_OF_OTHERS: Final = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH")
# `user:password@`, and the token in the URLs of private conda channels.
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/\s@]+(?=@)|(?<=/t/)[^/\s]+")


class Uv:
    """Run uv, one call after the other or many at once, until it is closed.

    Args:
        folder: where it runs, so that no project's configuration reaches it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._closed = False

    def run(self, arguments: Sequence[str], log: TextIO, *, offline_pythons: bool = False) -> str:
        """Run uv to its end.

        Args:
            arguments: what it is told.
            log: what it prints goes there line by line, without passwords in URLs.
            offline_pythons: it may only use Pythons that are installed.

        Returns:
            What it printed.

        Raises:
            BuildError: it failed; the explanation is what it printed.
        """
        variables = uv_environment(os.environ)
        if offline_pythons:
            variables["UV_PYTHON_DOWNLOADS"] = "never"
        process = self._start(arguments, variables)
        lines: list[str] = []
        try:
            with process:
                for line in process.stdout or ():
                    lines.append(without_credentials(line))
                    log.write(lines[-1])
                    log.flush()
        finally:
            with self._lock:
                self._running.discard(process)
        if process.returncode != 0:
            raise BuildError("".join(lines) or f"uv ended with status {process.returncode}.")
        return "".join(lines)

    def install(
        self,
        place: Path,
        requirements: Path,
        lines: Iterable[str],
        options: Sequence[str],
        log: TextIO,
    ) -> None:
        """Install what pip would into an environment.

        Args:
            place: the environment's folder.
            requirements: the file of requirements that is written for it.
            lines: what stands in that file.
            options: options of pip, one word each.
            log: what uv prints goes there.

        Raises:
            BuildError: it failed; the explanation is what uv printed.
        """
        requirements.write_text("".join(f"{line}\n" for line in lines))
        arguments = ["pip", "install", "--python", str(place / "bin" / "python")]
        self.run([*arguments, *_in_uvs_words(options), "-r", str(requirements)], log)

    def close(self) -> None:
        """End what runs, and run nothing any more."""
        with self._lock:
            self._closed = True
            for process in self._running:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGTERM)

    def _start(
        self, arguments: Sequence[str], variables: Mapping[str, str]
    ) -> subprocess.Popen[str]:
        import uv

        with self._lock:
            if self._closed:
                raise BuildError("The emulator is stopping.")
            process = subprocess.Popen(
                [uv.find_uv_bin(), *arguments],
                cwd=self._folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )
            self._running.add(process)
            return process


def without_credentials(text: str) -> str:
    """Blot out user names, passwords and tokens in URLs.

    Args:
        text: any text.
    """
    return _CREDENTIALS.sub("***", text)


def _in_uvs_words(options: Sequence[str]) -> list[str]:
    return ["--prerelease=allow" if option == "--pre" else option for option in options]


def uv_environment(process: Mapping[str, str]) -> dict[str, str]:
    """Give the variables uv is run with: the process's own, in uv's terms.

    Args:
        process: the variables of the emulator's process.
    """
    variables = {
        name: value for name, value in process.items() if name not in _ENVIRONMENT_OF_OTHERS
    }
    for pip, uv in _PIP_CONFIGURATION.items():
        if process.get(pip):
            variables.setdefault(uv, process[pip])
    # pip takes the best version of all indexes; uv by default the first index that has any.
    variables.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    variables["UV_NO_PROGRESS"] = "1"
    variables["NO_COLOR"] = "1"
    variables["PATH"] = _search_path(process)
    return variables


def _search_path(process: Mapping[str, str]) -> str:
    """Show uv the Pythons of pyenv themselves: their shims answer only for the chosen ones."""
    root = Path(process.get("PYENV_ROOT") or Path.home() / ".pyenv")
    versions = (found for found in root.glob("versions/3.*") if (found / "bin/python").exists())
    newest_first = sorted(versions, key=_release, reverse=True)
    shims = str(root / "shims")
    path = [entry for entry in process.get("PATH", os.defpath).split(os.pathsep) if entry != shims]
    return os.pathsep.join([*path, *(str(version / "bin") for version in newest_first)])


def _release(folder: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", folder.name))

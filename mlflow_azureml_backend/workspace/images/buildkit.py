"""BuildKit, which docker-py cannot speak to: the docker program does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlflow_azureml_backend.workspace.images.build_output import BuildOutput

_OWN_BUILDKIT = range(19, 23)  # major versions of the docker program that need no buildx for it
_SECONDS_TO_ANSWER = 30


class BuildKitFailedError(Exception):
    """Hold the last line of a build that failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildKit:
    """Build with BuildKit.

    Args:
        program: The command.
        variables: Of its process, beside those of this one.
    """

    program: tuple[str, ...]
    variables: Mapping[str, str]

    def build(
        self,
        folder: Path,
        dockerfile: str,
        *,
        arguments: Mapping[str, str],
        options: Mapping[str, str],
        cache_from: Sequence[str],
        output: BuildOutput,
    ) -> str:
        """Build an image, and give its id.

        Args:
            folder: The build context.
            dockerfile: The Dockerfile's path in it.
            arguments: Name -> value of the Dockerfile's arguments.
            options: Name -> value of further options of the command.
            cache_from: Images in registries whose layers may be used.
            output: Takes the command's lines.

        Raises:
            BuildKitFailedError: It failed, as `output` knows.
        """
        # What is pushed then says which layers it has, for the engine of another machine.
        arguments = {**arguments, "BUILDKIT_INLINE_CACHE": "1"}
        with tempfile.TemporaryDirectory() as scratch:
            result = Path(scratch) / "image"
            command = [
                *self.program,
                "--progress=plain",
                f"--iidfile={result}",
                f"--file={folder / dockerfile}",
                *(f"--{name}={value}" for name, value in options.items()),
                *(f"--cache-from={image}" for image in cache_from),
                *(f"--build-arg={name}={value}" for name, value in arguments.items()),
                str(folder),
            ]
            last = ""
            with _running(command, self._environment()) as process:
                for line in process.stdout or ():
                    output.buildkit(line)
                    last = line.strip() or last
                status = process.wait()
            if status != 0:
                raise BuildKitFailedError(last)
            return result.read_text(encoding="utf-8").strip()

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **self.variables,
            "DOCKER_BUILDKIT": "1",
            # An attestation holds the time of the build: the same content would get a new digest.
            "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
        }


def find_buildkit() -> tuple[str, ...]:
    """Give the command that builds with BuildKit, or nothing where the machine has none."""
    program = shutil.which("docker")
    if program is None:
        return ()
    if _answer(program, "buildx", "version"):
        return (program, "buildx", "build", "--load")
    major = re.search(r"version (\d+)\.", _answer(program, "--version"))
    if major and int(major[1]) in _OWN_BUILDKIT:
        return (program, "build")
    return ()


def _answer(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_SECONDS_TO_ANSWER
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


@contextmanager
def _running(command: list[str], variables: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=dict(variables),
    ) as process:
        try:
            yield process
        except BaseException:
            process.terminate()  # the engine ends the build of a client that has gone
            raise

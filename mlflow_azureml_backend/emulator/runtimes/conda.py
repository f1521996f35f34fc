"""The runtime that builds each environment's conda file with conda packages."""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from mlflow_azureml_backend.emulator.runtimes import BuildError, Interpreter
from mlflow_azureml_backend.emulator.runtimes.conda_context import with_conda_file
from mlflow_azureml_backend.emulator.runtimes.conda_document import (
    CondaFileError,
    read_conda_document,
)
from mlflow_azureml_backend.emulator.runtimes.kept_environments import (
    KeptEnvironments,
    complete_facts,
    content_hash,
    mark_complete,
)
from mlflow_azureml_backend.emulator.runtimes.pip_section import read_pip_section
from mlflow_azureml_backend.emulator.runtimes.uv import Uv, without_credentials

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    from mlflow_azureml_backend.emulator.runtimes import EnvironmentSpec
    from mlflow_azureml_backend.emulator.runtimes.conda_document import CondaDocument
    from mlflow_azureml_backend.emulator.runtimes.pip_section import PipSection

_FORMAT: Final = "conda 1"
"""Changed when environments are built in another way, so that old ones are not taken for new."""

_PIP_ADDED: Final = "'pip' is added: the conda file has a pip section and does not name it."
_SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PACKAGE_NAME: Final = re.compile(r"(?:.*::?)?\s*([A-Za-z0-9_][A-Za-z0-9_.\-]*)")
_OF_THE_SHELL: Final = frozenset({"PATH", "PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"})
# Without these a job would not reach the emulator.
_OF_THE_EMULATOR: Final = frozenset(
    {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "NO_PROXY"}
)


class CondaRuntime:
    """Build environments of real conda packages and keep them, one for each content.

    Args:
        folder: where the environments, and the packages they are made of, are kept.
    """

    name: ClassVar[str] = "conda"

    def __init__(self, folder: Path) -> None:
        from mlflow_azureml_backend.emulator.runtimes.conda_packages import CondaPackages

        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._packages = CondaPackages(folder / "conda-packages")
        self._uv = Uv(folder)
        self._environments = KeptEnvironments()

    def prepare(self, environment: EnvironmentSpec, log: TextIO) -> Interpreter:
        """Build an environment, or find it built; blocks until it is there.

        Args:
            environment: what is asked for; only a conda file can be met, alone or as what a build
                context makes.
            log: where the build tells what it does.

        Raises:
            BuildError: it has no conda file, or cannot be solved or installed.
        """
        try:
            wanted, pip = _wanted(with_conda_file(environment, self._folder / "contexts"))
        except BuildError as error:
            log.write(f"{error.explanation}\n")
            raise
        key = content_hash(
            _FORMAT,
            [platform.system(), platform.machine()],
            wanted.channels,
            wanted.packages,
            [pip.requirements, pip.options],
            sorted(wanted.variables.items()),
        )
        place = self._folder / key
        log.write(f"Environment {environment.name}:{environment.version}, kept as {key}\n")
        log.writelines(f"Note: {without_credentials(note)}\n" for note in pip.notes)
        log.flush()
        facts = self._environments.obtain(
            key,
            log,
            find=lambda: complete_facts(place),
            build=lambda: self._build(place, wanted, pip, log),
        )
        return Interpreter(
            bin=place / "bin",
            variables=facts["variables"],
            notes=tuple(without_credentials(note) for note in pip.notes),
        )

    def close(self) -> None:
        """End the builds that are under way; their callers get a BuildError."""
        self._packages.close()
        self._uv.close()

    def _build(
        self, place: Path, wanted: CondaDocument, pip: PipSection, log: TextIO
    ) -> dict[str, Any]:
        shutil.rmtree(place, ignore_errors=True)
        try:
            self._packages.install(wanted.channels, wanted.packages, place, log)
        except BuildError as error:
            log.write(f"{error.explanation}\n")
            raise
        if pip.requirements:
            file = place / "conda-meta" / "requirements.txt"
            self._uv.install(place, file, pip.requirements, pip.options, log)
        facts = {"variables": {**_activated(place, log), **wanted.variables}}
        mark_complete(place, facts)
        return facts


def _wanted(environment: EnvironmentSpec) -> tuple[CondaDocument, PipSection]:
    """Read what is asked for, with the Python and the pip that conda would add.

    Raises:
        BuildError: there is no conda file, or it cannot be used.
    """
    if not environment.conda_file:
        raise BuildError(
            f"The environment '{environment.name}:{environment.version}' has no conda file, and "
            "the emulator's runtime 'conda' cannot run images. Give the environment a conda_file, "
            "or start the emulator with the runtime 'docker'."
        )
    try:
        wanted = read_conda_document(environment.conda_file)
        pip = read_pip_section(wanted.pip, environment.pip_folder)
    except CondaFileError as error:
        raise BuildError(str(error)) from None
    if pip.requirements and "pip" not in {_name(spec) for spec in wanted.packages}:
        wanted = replace(wanted, packages=(*wanted.packages, "pip"))
        pip = replace(pip, notes=(*pip.notes, _PIP_ADDED))
    return wanted, pip


def _name(spec: str) -> str:
    found = _PACKAGE_NAME.match(spec)
    return found[1].lower() if found else ""


def _activated(place: Path, log: TextIO) -> dict[str, str]:
    """Give the variables that activating an environment sets, its packages' own scripts included.

    Jobs get them as they get the ones of an image: activation is no part of a job.
    """
    from rattler.shell import ActivationVariables, Shell, activate

    script = activate(place, ActivationVariables(None, _SYSTEM_PATH.split(":")), Shell.bash).script
    tell = "import json, os; print(json.dumps(dict(os.environ)))"
    # What the scripts print is no variable, and what they do to errors is their own affair.
    command = f'eval "$1" 1>&2; exec {sys.executable!r} -I -S -c "$2"'
    before = {"PATH": _SYSTEM_PATH, "HOME": str(place), "LANG": "C.UTF-8"}
    done = subprocess.run(
        ["bash", "-c", command, "activate", script, tell],
        env=before,
        cwd=place,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    log.write(done.stderr)
    if done.returncode != 0:
        explanation = f"The environment cannot be activated: {done.stderr.strip()}"
        log.write(f"{explanation}\n")
        raise BuildError(explanation)
    after = json.loads(done.stdout)
    changed = {
        name: value
        for name, value in after.items()
        if before.get(name) != value and name not in _OF_THE_SHELL | _OF_THE_EMULATOR
    }
    return {"CONDA_DEFAULT_ENV": place.name, **changed}

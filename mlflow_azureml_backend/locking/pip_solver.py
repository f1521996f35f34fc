"""The pip packages of a lock: uv's resolver, for another machine's Python and platform.

conda-lock's own resolver reads neither pip's indexes nor its certificates, downloads a table of
names, and asks the index for whole packages; uv does none of that and explains what cannot be.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from mlflow_azureml_backend.errors import LockError
from mlflow_azureml_backend.locking.explanation import shortened
from mlflow_azureml_backend.locking.lock_file import Package
from mlflow_azureml_backend.locking.programs import run
from mlflow_azureml_backend.locking.wheels import Target, best_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mlflow_azureml_backend.locking.request import LockRequest

# Conda packages whose name on the package index is another; the rest are taken to be alike.
_PYPI_NAMES = {
    "dask-core": "dask",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "py-opencv": "opencv-python",
    "py-xgboost": "xgboost",
    "pyarrow-core": "pyarrow",
    "pytables": "tables",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "tensorflow-base": "tensorflow",
}
# uv knows these as options of its own command, not as lines of a file.
_AS_ARGUMENTS = {"--pre": ("--prerelease", "allow")}
_IGNORED = re.compile(r"^(--prefer-binary|--require-hashes|--use-feature\b.*|--use-pep517)$")
_TRUSTED = re.compile(r"^--trusted-host[ =]+(?P<host>\S+)$")
_NOT_FOUND = "not found in the package registry"
_NAME_THE_INDEX = (
    "A package of another index needs a line `--extra-index-url URL` in the pip section: where "
    "the job's environment is built, this machine's own settings are not known."
)
_CHANGE_THE_PINS = "Change the pins in the project's environment."


def solve_pip(
    request: LockRequest,
    conda: Sequence[Package],
    platform: str,
    environ: Mapping[str, str],
) -> tuple[Package, ...]:
    """Find the pip packages of one platform, each with the one file that is to be installed.

    What conda installs keeps its version wherever the requirements allow that, as with pip.

    Args:
        request: What is asked for.
        conda: The conda packages of the platform.
        platform: Conda platform.
        environ: uv's variables.

    Raises:
        LockError: uv is not installed, there is no Python, or there are no such packages.
    """
    if not request.requirements:
        return ()
    python = next((package.version for package in conda if package.name == "python"), None)
    if python is None:
        raise LockError(
            "the pip section cannot be locked: the environment has no python among its conda "
            "dependencies. Add one, such as python=3.11."
        )
    target = Target(platform=platform, python=python)
    lines = [*request.options, *request.requirements]
    with tempfile.TemporaryDirectory(prefix="mlflow-azureml-lock-") as name:
        folder = Path(name)
        wanted, found = folder / "requirements.in", folder / "pylock.toml"
        kept = [line for line in lines if not _argument(line) and not _IGNORED.match(line)]
        wanted.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        # What stands in the output file already is preferred.
        found.write_text(_preferred(conda), encoding="utf-8")
        ended = run(
            [
                *(_uv(), "pip", "compile", "--format", "pylock.toml", "--quiet"),
                *("--output-file", str(found), "--python", sys.executable),
                *("--python-version", python, "--python-platform", target.uv_platform),
                *(word for line in lines for word in _argument(line)),
                str(wanted),
            ],
            folder=folder,
            environ=environ,
        )
        if ended.returncode:
            cure = _NAME_THE_INDEX if _NOT_FOUND in ended.stderr else _CHANGE_THE_PINS
            raise LockError(
                f"the pip packages cannot be locked for {platform} with Python {python}:\n"
                f"{shortened(ended.stderr)}\n{cure}"
            )
        document = _read_toml(found)
        return tuple(_package(entry, target, folder) for entry in document.get("packages", []))


def _argument(line: str) -> tuple[str, ...]:
    trusted = _TRUSTED.match(line)
    return ("--allow-insecure-host", trusted["host"]) if trusted else _AS_ARGUMENTS.get(line, ())


def _uv() -> str:
    if importlib.util.find_spec("uv") is None:
        raise LockError(
            "the pip section cannot be locked: uv is not installed here: "
            "pip install 'mlflow-azureml-backend[lock]'."
        )
    from uv import find_uv_bin

    return str(find_uv_bin())


def _preferred(conda: Iterable[Package]) -> str:
    names = {_PYPI_NAMES.get(each.name) or canonicalize_name(each.name): each for each in conda}
    packages = "".join(
        f'[[packages]]\nname = "{name}"\nversion = "{package.version}"\n'
        for name, package in names.items()
        # Conda has versions that are none for pip, such as 2024_05_20 or 9e.
        if re.fullmatch(r"\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?", package.version)
    )
    return f'lock-version = "1.0"\ncreated-by = "conda"\n{packages}'


def _package(entry: Mapping[str, Any], target: Target, folder: Path) -> Package:
    name = str(entry["name"])
    archive = entry.get("archive")
    file = archive or best_file(entry, target)
    if file is None or "sha256" not in file.get("hashes", {}):
        raise LockError(
            f"the pip package {name} {entry.get('version', '')} has no file for {target.platform} "
            f"with Python {target.python} whose hash is known. Ask for another version of it."
        )
    url = str(file.get("url") or (folder / file["path"]).resolve().as_uri())
    sha256 = str(file["hashes"]["sha256"])
    return Package(
        name=name,
        version=str(entry.get("version", "")) or "0",
        manager="pip",
        platform=target.platform,
        url=url,
        sha256=sha256,
        source=f"{url}#sha256={sha256}" if archive else None,
    )


def _read_toml(file: Path) -> Mapping[str, Any]:
    parser = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    return dict(parser.loads(file.read_text(encoding="utf-8")))

"""Lock the environment of a job, or find it locked."""

from __future__ import annotations

import hashlib
import os
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlflow_azureml_backend.errors import LockError
from mlflow_azureml_backend.locking.conda_solver import find_solver, solve_conda
from mlflow_azureml_backend.locking.lock_file import new_lock, read_lock, write_lock
from mlflow_azureml_backend.locking.pip_settings import uv_environment
from mlflow_azureml_backend.locking.pip_solver import solve_pip
from mlflow_azureml_backend.locking.rendered import as_text, locked_conda_file
from mlflow_azureml_backend.locking.request import differences, lock_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mlflow_azureml_backend.config.schema import LockConfig
    from mlflow_azureml_backend.job import EnvironmentSpec
    from mlflow_azureml_backend.locking.lock_file import Lock
    from mlflow_azureml_backend.locking.request import LockRequest

_SHOWN = 8
_AT_THE_SOURCE = (
    "The project was fetched for this run; to keep a lock, run `mlflow-azureml lock` where the "
    "project is written, and commit the file."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedEnvironment:
    """Hold an environment of exact packages, and what tells of its lock.

    Args:
        spec: The environment.
        file: The lock file.
        sha256: Hash of the lock file.
        text: The packages, for people.
    """

    spec: EnvironmentSpec
    file: Path
    sha256: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockUpdate:
    """Say what making a lock anew has changed.

    Args:
        file: The lock file.
        changes: A line for each package that is new, gone or in another version; None where there
            was no lock before.
        packages: How many packages the lock holds.
        solver: What solved the conda part.
    """

    file: Path
    changes: tuple[str, ...] | None
    packages: int
    solver: str


def lock_environment(
    spec: EnvironmentSpec,
    config: LockConfig,
    root: Path,
    *,
    note: Callable[[str], None],
    fetched: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> LockedEnvironment:
    """Give the environment of exact packages: out of its lock, which is made if it does not fit.

    Args:
        spec: The environment, plugin injected.
        config: The backend config's `lock`.
        root: The project's folder.
        note: Told what is done.
        fetched: The folder is a copy made for this run: a new lock is lost with it.
        environ: The process's variables.

    Raises:
        LockError: There is nothing to lock, it cannot be locked, or the lock may only be checked
            and does not fit.
    """
    request = _request(spec, config)
    file = root / config.file
    lock = read_lock(file)
    if lock is None or lock.content_hash != request.content_hash:
        if config.check:
            cure = _AT_THE_SOURCE if fetched else _cure(root)
            raise LockError(f"{_misfit(file, lock, request)} {cure}")
        note(f"Lock         {'made' if lock is None else 'made anew'}: {_why(lock, request)}")
        lock, solver = _solved(request, spec.origin, environ)
        write_lock(lock, file, source=spec.origin)
        note(f"Lock         {file} ({len(lock.packages)} packages, solved with {solver})")
        if fetched:
            note(f"Lock         in this run's snapshot alone. {_AT_THE_SOURCE}")
    else:
        note(f"Lock         {file} fits")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    conda = locked_conda_file(spec.conda_file or {}, request, lock)
    return LockedEnvironment(
        spec=replace(spec, conda_file=conda, origin=f"{spec.origin}, locked"),
        file=file,
        sha256=digest,
        text=as_text(conda, heading=f"{file.name}, sha256 {digest}"),
    )


def update_lock(
    spec: EnvironmentSpec,
    config: LockConfig,
    root: Path,
    *,
    environ: Mapping[str, str] = os.environ,
) -> LockUpdate:
    """Make a lock anew, with the newest packages that the environment allows.

    Args:
        spec: The environment, plugin injected.
        config: The backend config's `lock`.
        root: The project's folder.
        environ: The process's variables.

    Raises:
        LockError: There is nothing to lock, or it cannot be locked.
    """
    request = _request(spec, config)
    file = root / config.file
    before = read_lock(file)
    lock, solver = _solved(request, spec.origin, environ)
    write_lock(lock, file, source=spec.origin)
    return LockUpdate(
        file=file,
        changes=None if before is None else tuple(_changes(before, lock)),
        packages=len(lock.packages),
        solver=solver,
    )


def check_lock(spec: EnvironmentSpec, config: LockConfig, root: Path) -> Path:
    """Check that the lock fits, and give its file.

    Args:
        spec: The environment, plugin injected.
        config: The backend config's `lock`.
        root: The project's folder.

    Raises:
        LockError: There is nothing to lock, no lock, or one that does not fit.
    """
    request = _request(spec, config)
    file = root / config.file
    lock = read_lock(file)
    if lock is None or lock.content_hash != request.content_hash:
        raise LockError(f"{_misfit(file, lock, request)} {_cure(root)}")
    return file


def _misfit(file: Path, lock: Lock | None, request: LockRequest) -> str:
    if lock is None:
        return f"There is no lock file {file}."
    return f"The lock file {file} is stale: {_why(lock, request)}."


def _cure(root: Path) -> str:
    return (
        f"Run `mlflow-azureml lock {shlex.quote(str(root))}`, with --backend-config as the run "
        "has it, and commit the file."
    )


def _request(spec: EnvironmentSpec, config: LockConfig) -> LockRequest:
    if spec.conda_file is None:
        raise LockError(_nothing_to_lock(spec))
    return lock_request(spec.conda_file, channels=config.channels, platforms=config.platforms)


def _nothing_to_lock(spec: EnvironmentSpec) -> str:
    if spec.reference:
        what = f"{spec.reference} is built already"
    elif spec.build is not None:
        what = f"{spec.origin}: a Dockerfile installs what it says"
    else:
        what = f"the image {spec.image} runs as it is"
    return (
        f"Backend config: lock: there is nothing to lock: {what}. `lock` is for environments of "
        "conda or pip packages; remove it."
    )


def _solved(request: LockRequest, origin: str, environ: Mapping[str, str]) -> tuple[Lock, str]:
    solver = find_solver(environ)
    try:
        packages = list(solve_conda(request, solver, environ))
        if request.requirements:
            variables = uv_environment(environ)
            for platform in request.platforms:
                conda = [package for package in packages if package.platform == platform]
                packages += solve_pip(request, conda, platform, variables)
    except LockError as error:
        raise LockError(f"{origin}: {error.message}") from error.__cause__
    return new_lock(request, packages), solver.name


def _why(lock: Lock | None, request: LockRequest) -> str:
    if lock is None:
        return "there is none yet"
    found = differences(lock.request, request.as_document())
    if not found:
        return "it was made by another version of mlflow-azureml-backend"
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"the environment has changed ({'; '.join(found[:_SHOWN])}{more})"


def _changes(before: Lock, after: Lock) -> list[str]:
    old = _versions(before)
    new = _versions(after)
    several = len(after.request["platforms"]) > 1
    lines = []
    for key in sorted(old.keys() | new.keys()):
        name, manager, platform = key
        then, now = old.get(key), new.get(key)
        if then != now:
            where = f" ({manager}, {platform})" if several else f" ({manager})"
            lines.append(f"{name} {then or 'new'} → {now or 'gone'}{where}")
    return lines


def _versions(lock: Lock) -> dict[tuple[str, str, str], str]:
    """Give version, and conda's build, of each package."""
    return {
        (each.name, each.manager, each.platform): (
            f"{each.version}={each.build}" if each.manager == "conda" else each.version
        )
        for each in lock.packages
    }

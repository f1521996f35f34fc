"""Real virtual environments that hold MLflow, azureml-mlflow and this package.

An environment is built with uv once for a list of requirements and kept below pytest's cache
directory (`pytest --cache-clear` deletes it); a session works on a copy made of hard links, into
which it installs this package. Nothing is built inside the working tree, so that it stays as it is.
"""

from __future__ import annotations

import configparser
import hashlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

REPOSITORY = Path(__file__).parents[2]
OURS, THEIRS = "mlflow_azureml_backend", "azureml_mlflow"
WIDE = os.environ.get("TEST_MATRIX") == "wide"
_BIN = "Scripts" if os.name == "nt" else "bin"
_SLOWEST_STEP = 900
# Taken when pytest collects: a test of another folder may clean the environment later.
_ENVIRON = dict(os.environ)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The packages of one environment, beside ours and what ours requires."""

    name: str
    requirements: tuple[str, ...]
    without_dependencies: tuple[str, ...] = ()
    pythons: tuple[str, ...] = (sys.executable,)


_AZUREML_MLFLOW = "azureml-mlflow==1.62.0.post6"
_BEFORE_NUMPY_2 = ("3.10", "3.11")
_DEFAULT_STACKS = (
    Stack(
        name="newest MLflow that azureml-mlflow allows",
        requirements=("mlflow==3.15.0", _AZUREML_MLFLOW, "setuptools>=77"),
    ),
    Stack(
        name="oldest MLflow",
        # Before 2.15 mlflow does not ask for mlflow-skinny; azureml-mlflow does, and would install
        # another version over the same folder.
        requirements=(
            "mlflow==2.9.2",
            "mlflow-skinny==2.9.2",
            _AZUREML_MLFLOW,
            "setuptools>=77,<80",
        ),
        pythons=_BEFORE_NUMPY_2,
    ),
)
_WIDE_STACKS = (
    Stack(
        name="MLflow newer than azureml-mlflow allows",
        requirements=(
            "mlflow==3.17.2",
            *("azure-common", "azure-identity", "jsonpickle", "msrest", "pytz", "setuptools>=77"),
        ),
        without_dependencies=(_AZUREML_MLFLOW,),
    ),
    Stack(
        name="two MLflow versions in one folder",
        requirements=("mlflow==2.9.2", _AZUREML_MLFLOW, "setuptools>=77,<80"),
        pythons=_BEFORE_NUMPY_2,
    ),
    Stack(
        name="last MLflow 2",
        requirements=("mlflow==2.22.4", _AZUREML_MLFLOW, "setuptools>=77,<80"),
    ),
    Stack(
        name="newest Python",
        requirements=("mlflow==3.15.0", _AZUREML_MLFLOW, "setuptools>=77"),
        pythons=("3.13",),
    ),
)
_SETUPS = (
    [(stack, kind) for stack in _DEFAULT_STACKS + _WIDE_STACKS for kind in ("wheel", "editable")]
    if WIDE
    else list(zip(_DEFAULT_STACKS, ("wheel", "editable"), strict=True))
)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A virtual environment, and how to ask it something in a fresh process."""

    root: Path
    work: Path
    kind: str = "wheel"

    @property
    def python(self) -> Path:
        return self.root / _BIN / "python"

    @property
    def mlflow(self) -> Path:
        return self.root / _BIN / "mlflow"

    @property
    def site_packages(self) -> Path:
        return next(self.root.glob("**/site-packages"))

    def run(
        self, *command: str | Path, ahead: str | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of this environment, outside of any project.

        Args:
            command: The command line.
            ahead: The distribution that metadata readers are to meet first, whatever the order of
                the directory listing: its dist-info stands once more at the start of `sys.path`.
            variables: Environment variables on top of the cleaned ones.
        """
        if ahead is not None:
            variables["PYTHONPATH"] = str(self.work / "ahead" / ahead)
        return _run([str(part) for part in command], cwd=self.work, **variables)

    def ask(self, script: str, *, ahead: str | None = None) -> str:
        """Run a script and give what it printed, or the last line of what went wrong."""
        answer = self.run(self.python, "-c", script, ahead=ahead)
        if answer.returncode == 0:
            return answer.stdout.strip()
        return answer.stderr.strip().rpartition("\n")[2]

    def ask_all(self, scripts: Mapping[str, str], *, ahead: str | None = None) -> dict[str, str]:
        """Ask several things, each in its own process, as many at a time as there are cores."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            answers = pool.map(lambda script: self.ask(script, ahead=ahead), scripts.values())
            return dict(zip(scripts, answers, strict=True))

    def run_all(
        self, commands: Mapping[str, Sequence[str | Path]], **variables: str
    ) -> dict[str, subprocess.CompletedProcess[str]]:
        """Run several commands, each in its own process, as many at a time as there are cores."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            answers = pool.map(lambda command: self.run(*command, **variables), commands.values())
            return dict(zip(commands, answers, strict=True))

    def install(self, *arguments: str | Path) -> None:
        """Install into this environment."""
        done = _uv("pip", "install", "--python", self.python, *arguments)
        assert done.returncode == 0, done.stderr

    def uninstall(self, *names: str) -> None:
        """Take distributions out of this environment."""
        done = _uv("pip", "uninstall", "--python", self.python, *names)
        assert done.returncode == 0, done.stderr

    def build_wheel(self) -> Path:
        """Build a wheel of the working tree with this environment's setuptools."""
        source = _copy_of_the_source(self.work / "source")
        in_place = ("--no-build-isolation", "--python", self.python)
        done = _uv("build", "--wheel", *in_place, "--out-dir", self.work / "dist", source)
        assert done.returncode == 0, done.stderr
        return next((self.work / "dist").glob("*.whl"))

    def install_ours(self) -> None:
        """Install this package as a wheel or as an editable install of a copy of its source."""
        if self.kind == "wheel":
            self.install("--no-deps", self.build_wheel())
        else:
            source = _copy_of_the_source(self.work / "source")
            self.install("--no-deps", "--no-build-isolation", "--editable", source)
        for distribution in (OURS, THEIRS):
            metadata = self.metadata_of(distribution)
            ahead = self.work / "ahead" / distribution / metadata.name
            shutil.copytree(metadata, ahead, dirs_exist_ok=True)

    def metadata_of(self, distribution: str) -> Path:
        """Find the dist-info directory of a distribution."""
        return next(self.site_packages.glob(f"{distribution}-*.dist-info"))


class Environments:
    """The environments of a session, each made when it is first asked for."""

    def __init__(self, kept_in: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        self._kept_in = kept_in
        self._tmp = tmp_path_factory
        self._with_us: dict[tuple[Stack, str], Environment] = {}
        self._without_us: dict[Path, Environment] = {}
        self._out_of_reach = ""

    def with_us(self, stack: Stack, kind: str) -> Environment:
        """Give the environment of a stack with this package installed."""
        if (stack, kind) not in self._with_us:
            kept = self._kept(stack)
            environment = self._copy(kept, kind)
            environment.install_ours()
            self._with_us[stack, kind] = environment
            self._without_us[environment.root] = self._copy(kept, kind)
        return self._with_us[stack, kind]

    def without_us(self, environment: Environment) -> Environment:
        """Give an environment as it was before this package was installed."""
        return self._without_us[environment.root]

    def remove(self) -> None:
        """Delete what the session made, but not what is kept for the next one."""
        for environment in (*self._with_us.values(), *self._without_us.values()):
            shutil.rmtree(environment.root, ignore_errors=True)

    def _kept(self, stack: Stack) -> Path:
        if self._out_of_reach:
            pytest.skip(self._out_of_reach)
        python = _find_python(stack)
        version = _run([python, "-VV"], cwd=self._kept_in).stdout
        wanted = (*stack.requirements, *stack.without_dependencies, *_our_requirements())
        key = hashlib.sha256("\n".join((python, version, *wanted)).encode()).hexdigest()[:16]
        kept = self._kept_in / key
        if not kept.exists():
            self._build(stack, python, kept)
        return kept

    def _copy(self, kept: Path, kind: str) -> Environment:
        work = self._tmp.mktemp("environment")
        root = work / "environment"
        shutil.copytree(kept, root, symlinks=True, copy_function=_link)
        return Environment(root=root, work=work, kind=kind)

    def _build(self, stack: Stack, python: str, kept: Path) -> None:
        """Install as a user would: everything in one go, our wheel with its dependencies."""
        root = kept.with_name(f"{kept.name}.{os.getpid()}")
        environment = Environment(root=root, work=self._tmp.mktemp("build"))
        try:
            _uv("venv", "--quiet", "--clear", "--relocatable", "--python", python, root)
            setuptools = [name for name in stack.requirements if name.startswith("setuptools")]
            self._install_or_skip(environment, *setuptools)
            self._install_or_skip(environment, *stack.requirements, environment.build_wheel())
            if stack.without_dependencies:
                self._install_or_skip(environment, "--no-deps", *stack.without_dependencies)
            # Their import also writes the bytecode that every copy then shares.
            everything = f"import mlflow.cli, azureml.mlflow, {OURS}.backend"
            warm = environment.run(environment.python, "-c", everything)
            assert warm.returncode == 0, warm.stderr
            environment.uninstall("mlflow-azureml-backend")
            if not kept.exists():
                root.rename(kept)
        finally:
            shutil.rmtree(root, ignore_errors=True)

    def _install_or_skip(self, environment: Environment, *arguments: str | Path) -> None:
        done = _uv("pip", "install", "--python", environment.python, *arguments)
        if done.returncode == 0:
            return
        elsewhere = self._tmp.mktemp("probe")
        probe = _uv("pip", "install", "--no-cache", "--no-deps", "--target", elsewhere, "six")
        if probe.returncode != 0:
            cause = probe.stderr.strip().rpartition("\n")[2].strip()
            self._out_of_reach = f"uv cannot reach the package index ({cause})"
            pytest.skip(self._out_of_reach)
        pytest.fail(f"uv pip install {arguments}:\n{done.stderr}", pytrace=False)


def _find_python(stack: Stack) -> str:
    for wanted in stack.pythons:
        found = _uv("python", "find", "--no-project", "--system", wanted)
        if found.returncode == 0:
            return found.stdout.strip()
    return pytest.skip(f"no Python {' or '.join(stack.pythons)} for {stack.name}")


def _our_requirements() -> list[str]:
    metadata = configparser.ConfigParser()
    metadata.read(REPOSITORY / "setup.cfg", encoding="utf-8")
    return metadata["options"]["install_requires"].split()


def _copy_of_the_source(target: Path) -> Path:
    if not target.exists():
        shutil.copytree(
            REPOSITORY / OURS, target / OURS, ignore=shutil.ignore_patterns("__pycache__")
        )
        for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(REPOSITORY / name, target)
    return target


def _uv(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    uv = pytest.importorskip("uv", reason="uv builds the environments")
    variables = {"UV_PYTHON_DOWNLOADS": "never", **_ENVIRON}
    # pyenv's shims run no version that is not activated, so uv is shown the versions themselves.
    pyenv = Path(_ENVIRON.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    versions = map(str, pyenv.glob(f"versions/*/{_BIN}"))
    variables["PATH"] = os.pathsep.join([variables.get("PATH", os.defpath), *versions])
    variables.pop("VIRTUAL_ENV", None)
    return subprocess.run(
        [uv.find_uv_bin(), *map(str, arguments)],
        env=variables,
        capture_output=True,
        text=True,
        timeout=_SLOWEST_STEP,
        check=False,
    )


def _run(
    command: Sequence[str], *, cwd: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    ours_to_set = ("PYTHON", "MLFLOW_", "AZUREML_", "VIRTUAL_ENV", "COLUMNS")
    inherited = {key: value for key, value in _ENVIRON.items() if not key.startswith(ours_to_set)}
    quiet = {
        "PYTHONNOUSERSITE": "1",
        "PYTHONWARNINGS": "ignore",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_TRACKING_URI": f"sqlite:///{cwd.as_posix()}/mlflow.db",
    }
    return subprocess.run(
        command,
        cwd=cwd,
        env={**inherited, **quiet, **variables},
        capture_output=True,
        text=True,
        timeout=_SLOWEST_STEP,
        check=False,
    )


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


@pytest.fixture(scope="session")
def environments(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Environments]:
    cache = getattr(request.config, "cache", None)
    kept_in = cache.mkdir("environments") if cache else tmp_path_factory.mktemp("environments")
    environments = Environments(kept_in, tmp_path_factory)
    yield environments
    environments.remove()


def _described(setup: tuple[Stack, str]) -> str:
    stack, kind = setup
    return f"{stack.name}, {kind}"


@pytest.fixture(params=_SETUPS, ids=_described)
def environment(request: pytest.FixtureRequest, environments: Environments) -> Environment:
    """Give each environment with MLflow, azureml-mlflow and this package."""
    return environments.with_us(*request.param)


@pytest.fixture(params=_SETUPS if WIDE else _SETUPS[-1:], ids=_described)
def one_environment(request: pytest.FixtureRequest, environments: Environments) -> Environment:
    """Give the one that starts fastest, for what needs not be asked of each at every change."""
    return environments.with_us(*request.param)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Give the folder of a project that does nothing."""
    (tmp_path / "MLproject").write_text("name: tiny\nentry_points:\n  main:\n    command: 'true'\n")
    return tmp_path

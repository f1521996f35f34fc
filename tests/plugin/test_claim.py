"""How the claim on the name behaves under Python's import system.

Each test imports a made-up MLflow in a fresh interpreter: a package `mlflow` that makes our run
context provider when it is imported, as the real one does, and the module with the table.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import mlflow_azureml_backend

_TABLE = "MLFLOW_BACKENDS = {'local': None}\n"
_LOADER = "projects/backend/loader.py"
_IMPORT = "import mlflow.projects.backend.loader as loader"
_NAMES = "print(*sorted(loader.MLFLOW_BACKENDS))"
_BOTH = "azureml azureml-v2 local"


@pytest.fixture
def mlflow(tmp_path: Path) -> Path:
    files = {
        "__init__.py": "import mlflow_azureml_backend.plugin as ours\nours.ClaimAzureMLName()\n",
        "projects/backend/other.py": "",
        "projects/__init__.py": "",
        "projects/backend/__init__.py": "",
        _LOADER: _TABLE,
    }
    for name, text in files.items():
        path = tmp_path / "made_up" / "mlflow" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "made_up" / "mlflow"


def test_both_names_stand_in_the_table_once_it_exists(mlflow: Path) -> None:
    assert _run(mlflow, _IMPORT, _NAMES) == _BOTH


def test_a_table_that_exists_already_is_used_at_once(mlflow: Path) -> None:
    late = "import mlflow_azureml_backend.plugin as ours; ours.ClaimAzureMLName()"
    (mlflow / "__init__.py").write_text("")
    assert _run(mlflow, _IMPORT, late, _NAMES) == _BOTH


def test_a_reload_of_the_table_keeps_the_names(mlflow: Path) -> None:
    reload = "import importlib; importlib.reload(mlflow); importlib.reload(loader)"
    assert _run(mlflow, _IMPORT, "import mlflow", reload, _NAMES) == _BOTH


@pytest.mark.parametrize("prefix", ["mlflow.", "mlflow"])
def test_any_number_of_imports_leaves_one_finder_before_the_others(
    mlflow: Path, prefix: str
) -> None:
    forget = f"[sys.modules.pop(name) for name in list(sys.modules) if name.startswith({prefix!r})]"
    again = f"{forget}; sys.modules.pop('mlflow', None); {_IMPORT}"
    finders = "assert sys.meta_path[1:] == others; print(len(sys.meta_path) - len(others))"
    script = ("import sys; others = list(sys.meta_path)", _IMPORT, again, again, _NAMES, finders)
    assert _run(mlflow, *script) == f"{_BOTH}\n1"


def test_the_module_keeps_its_own_loader(mlflow: Path) -> None:
    assert (
        _run(
            mlflow,
            _IMPORT,
            "import importlib.util, inspect",
            "assert loader.__loader__ is loader.__spec__.loader",
            "print(type(loader.__loader__).__name__)",
            "print(inspect.getsource(loader))",
            "print(importlib.util.find_spec(loader.__name__).loader is loader.__loader__)",
        )
        == f"SourceFileLoader\n{_TABLE}\nTrue"
    )


def test_looking_for_the_module_without_importing_it_does_no_harm(mlflow: Path) -> None:
    look = (
        "import importlib.util; spec = importlib.util.find_spec('mlflow.projects.backend.loader')"
    )
    source = "print(spec.loader.get_source(spec.name).strip())"
    assert _run(mlflow, look, source, _IMPORT, _NAMES) == f"{_TABLE}{_BOTH}"


def test_a_table_that_cannot_be_imported_fails_as_it_would_without_us(mlflow: Path) -> None:
    (mlflow / _LOADER).write_text("raise OSError('half installed')")
    attempt = f"try:\n    {_IMPORT}\nexcept Exception as error:\n    print(repr(error))"
    repair = f"import pathlib; pathlib.Path({str(mlflow / _LOADER)!r}).write_text({_TABLE!r})"
    script = ("import sys; sys.dont_write_bytecode = True", attempt, repair, _IMPORT, _NAMES)
    assert _run(mlflow, *script) == f"OSError('half installed')\n{_BOTH}"


def test_a_missing_table_module_fails_as_it_would_without_us(mlflow: Path) -> None:
    (mlflow / _LOADER).unlink()
    attempt = f"try:\n    {_IMPORT}\nexcept ImportError as error:\n    print(error.name)"
    assert _run(mlflow, "import mlflow.projects.backend", attempt).endswith(".loader")


@pytest.mark.parametrize("module", ["", "MLFLOW_BACKENDS = None\n", "MLFLOW_BACKENDS = ()\n"])
def test_an_mlflow_without_the_table_we_know_still_imports(mlflow: Path, module: str) -> None:
    (mlflow / _LOADER).write_text(module)
    assert _run(mlflow, _IMPORT, "print(getattr(loader, 'MLFLOW_BACKENDS', None))") in {
        "None",
        "()",
    }


def test_modules_that_share_a_loader_with_the_table_are_left_alone(mlflow: Path) -> None:
    packed = mlflow.parent.parent / "packed.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for file in mlflow.rglob("*.py"):
            archive.write(file, file.relative_to(mlflow.parent))
    first = f"import sys; sys.path.insert(0, {str(packed)!r})"
    after = "import mlflow.projects.backend.other as other; print(type(other.__loader__).__name__)"
    assert _run(mlflow, first, _IMPORT, _NAMES, after) == f"{_BOTH}\nzipimporter"


def test_other_finders_are_still_asked(mlflow: Path) -> None:
    elsewhere = mlflow.parent / "elsewhere.py"
    (mlflow / _LOADER).rename(elsewhere)
    finders = f"""
import sys
from importlib.util import spec_from_file_location
class OfOldPython:
    def find_module(self, fullname, path=None):
        return None
class Elsewhere:
    def find_spec(self, fullname, path=None, target=None):
        if fullname == "mlflow.projects.backend.loader":
            return spec_from_file_location(fullname, {str(elsewhere)!r})
sys.meta_path[:0] = [OfOldPython(), Elsewhere()]
"""
    assert _run(mlflow, finders, _IMPORT, _NAMES) == _BOTH


@pytest.mark.parametrize("arguments", ["[]", "['']", "['-c', 'run']", "['app.py', 'run']"])
def test_the_exception_hook_is_left_alone_outside_the_mlflow_command(
    mlflow: Path, arguments: str
) -> None:
    script = (f"import sys; sys.argv = {arguments}", _IMPORT, _NAMES)
    assert _run(mlflow, *script, "print(sys.excepthook is sys.__excepthook__)") == f"{_BOTH}\nTrue"


def test_a_process_without_arguments_is_not_disturbed(mlflow: Path) -> None:
    assert _run(mlflow, "import sys; del sys.argv", _IMPORT, _NAMES) == _BOTH


def test_the_provider_contributes_no_tags() -> None:
    script = "from mlflow_azureml_backend.plugin import ClaimAzureMLName as claim"
    assert _run(None, script, "print(claim().in_context(), claim().tags())") == "False {}"


def _run(mlflow: Path | None, *script: str) -> str:
    package = Path(mlflow_azureml_backend.__file__).parents[1]
    path = [package] if mlflow is None else [mlflow.parent, package]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(script)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()

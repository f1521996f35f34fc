"""An entry point that starts runs of this backend is known by its own text."""

import pytest

from mlflow_azureml_backend.project.nested_runs import starts_runs

CALL = "import mlflow\nmlflow.projects.run('.', 'step', backend='azureml')\n"


@pytest.mark.parametrize(
    ("command", "script", "expected"),
    [
        ("python main.py --a {a}", CALL, True),
        ("python -m pkg.main {a}", CALL, True),
        ("bash run.sh", "mlflow run . -e step --backend azureml\n", True),
        ("mlflow run . -e step -b azureml", "", True),
        ("python main.py --backend azureml", "mlflow.run('.', backend=sys.argv[2])", True),
        ("python main.py", "from mlflow.projects import run\nB = {'name': 'azureml-v2'}", True),
        ("python main.py", "mlflow.run('.', 'step')", False),
        ("python main.py", "from azureml.core import Run\nwith mlflow.start_run(): ...", False),
        ("python main.py", "mlflow.run('.')\nURI = 'azureml://datastores/a/paths/b'", False),
        ("python main.py", "import azureml.mlflow\nmlflow.run('.')", False),
        ("python train.py", "", False),
        ("python main.py 'unclosed {a}", CALL, True),
        ("python ../outside.py", CALL, False),
    ],
)
def test_what_its_command_names_is_read(tmp_path, command, script, expected):
    root = tmp_path / "project"
    (root / "pkg").mkdir(parents=True)
    for name in ("main.py", "run.sh", "pkg/main.py", "../outside.py"):
        (root / name).write_text(script)
    # A script that submits the project is no part of its runs.
    (root / "submit.py").write_text(CALL)
    (root / "train.py").write_text("import mlflow\n")
    assert starts_runs(root, command) is expected

"""What a submission imports: nothing heavy that it does not need."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    *("azure.ai.ml", "azure.storage.blob", "docker", "rich.progress", "conda_lock", "rattler"),
    *("mlflow_azureml_backend.cli", "mlflow_azureml_backend.emulator", "IPython", "jsonschema"),
)
_SUBMIT = """
import json, sys
heavy = set(json.loads(sys.argv[1]))
import mlflow.projects
already = heavy & set(sys.modules)
run = mlflow.projects.run(sys.argv[2], backend="azureml", backend_config=json.loads(sys.argv[3]),
                          experiment_name="sample", synchronous=False)
found = heavy & set(sys.modules) - already
run.cancel()
print(json.dumps(sorted(found)))
"""


@pytest.mark.slow
def test_a_submission_imports_nothing_heavy(workspace, signed_in, empty_store, tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "MLproject").write_text(
        "name: p\nentry_points: {main: {command: 'true'}}\n"
    )
    config = {
        "workspace": {
            "subscription_id": workspace.subscription_id,
            "resource_group": workspace.resource_group,
            "workspace_name": workspace.workspace_name,
        },
        "compute": "cpu-cluster",
        "environment": {"image": "example.com/team/image:1"},
    }
    (tmp_path / "mlflow.db").write_bytes(empty_store.read_bytes())
    arguments = (json.dumps(HEAVY), str(tmp_path / "project"), json.dumps(config))
    answer = subprocess.run(
        [sys.executable, "-c", _SUBMIT, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout.splitlines()[-1]) == []

"""A connection of this package to a fresh workspace, and a project with one entry point."""

import pytest

from mlflow_azureml_backend.job import WorkspaceRef
from mlflow_azureml_backend.workspace import connect


@pytest.fixture
def opened(workspace, signed_in):
    return connect(
        WorkspaceRef(
            subscription_id=workspace.subscription_id,
            resource_group=workspace.resource_group,
            workspace_name=workspace.workspace_name,
        )
    )


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "MLproject").write_text(
        "entry_points: {main: {parameters: {a: string}, command: 'echo {a}'}}", encoding="utf-8"
    )
    return folder

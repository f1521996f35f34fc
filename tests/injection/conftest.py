"""A user's own MLflow store for each test."""

from __future__ import annotations

import mlflow
import pytest


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Keep runs in a folder of the test."""
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    mlflow.set_tracking_uri(uri)
    yield uri
    mlflow.set_tracking_uri(None)

"""A rate limit that one request runs into holds back the others that would."""

import time
from types import SimpleNamespace

import pytest

from mlflow_azureml_backend.workspace.shared_pause import SharedPause


def answered(pause, status, headers=None, text=""):
    answer = SimpleNamespace(status_code=status, headers=headers or {}, text=lambda: text)
    pause.on_response(None, SimpleNamespace(http_response=answer))


def waited(pause, method):
    begun = time.monotonic()
    pause.on_request(SimpleNamespace(http_request=SimpleNamespace(method=method)))
    return time.monotonic() - begun


@pytest.mark.parametrize(
    ("headers", "text"),
    [({"retry-after": "0.3"}, ""), ({}, "Too many requests. Retry again after 1 seconds.")],
)
def test_writes_wait_and_reads_do_not(headers, text):
    pause = SharedPause()
    answered(pause, 429, headers, text)
    assert waited(pause, "GET") < 0.1
    assert waited(pause, "PUT") > 0.2
    assert waited(pause, "PUT") < 0.1


@pytest.mark.parametrize(("status", "text"), [(200, ""), (503, ""), (429, "")])
def test_nobody_waits_where_the_service_names_no_time(status, text):
    pause = SharedPause()
    answered(pause, status, text=text)
    assert waited(pause, "PUT") < 0.1

"""A rate limit that one request runs into holds back the others that would."""

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from mlflow_azureml_backend.workspace.shared_pause import HEEDS_PAUSES, SharedPause

HERE, ELSEWHERE = "https://here.example/a", "https://elsewhere.example/a"


def request(url=HERE, **options):
    return SimpleNamespace(
        http_request=SimpleNamespace(url=url), context=SimpleNamespace(options=options)
    )


def answered(pause, status, headers=None, text=""):
    answer = SimpleNamespace(status_code=status, headers=headers or {}, text=lambda: text)
    pause.on_response(request(), SimpleNamespace(http_response=answer))


def waited(pause, url=HERE, **options):
    begun = time.monotonic()
    pause.on_request(request(url, **options))
    return time.monotonic() - begun


@pytest.mark.parametrize(
    ("headers", "text"),
    [({"retry-after": "0.3"}, ""), ({}, "Too many requests. Retry again after 1 seconds.")],
)
def test_all_wait_but_those_of_another_host_and_those_who_ask_again_anyway(headers, text):
    pause = SharedPause()
    answered(pause, 429, headers, text)
    assert waited(pause, **{HEEDS_PAUSES: False}) < 0.1
    assert waited(pause, ELSEWHERE) < 0.1
    assert waited(pause) > 0.2
    assert waited(pause) < 0.1


@pytest.mark.parametrize(("status", "text"), [(200, ""), (503, ""), (429, "")])
def test_nobody_waits_where_the_service_names_no_time(status, text):
    pause = SharedPause()
    answered(pause, status, text=text)
    assert waited(pause) < 0.1


def test_those_who_waited_do_not_come_all_at_once():
    pause = SharedPause()
    answered(pause, 429, {"retry-after": "0.2"})
    with ThreadPoolExecutor(4) as pool:
        times = sorted(pool.map(lambda _: waited(pause), range(4)))
    assert times[0] >= 0.15
    assert times[-1] - times[0] > 0.2


def test_those_who_wait_also_wait_for_the_end_of_a_pause_that_comes_later():
    pause = SharedPause()
    answered(pause, 429, {"retry-after": "0.1"})
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(waited, pause)
        answered(pause, 429, {"retry-after": "0.4"})
        answered(pause, 429, {"retry-after": "0.1"})
        assert waiting.result() > 0.3


def test_an_option_that_only_the_pause_knows_goes_no_further():
    sent = request(**{HEEDS_PAUSES: False, "read_timeout": 1})
    SharedPause().on_request(sent)
    assert sent.context.options == {"read_timeout": 1}

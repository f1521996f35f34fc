"""What many threads ask at once is asked once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlflow_azureml_backend.answers import Answers

QUESTION = ("anything",)


class Service:
    """Answer when all have asked, each time with a further number."""

    def __init__(self, fails_with=None):
        self.asked = 0
        self.answers = Answers()
        self._fails_with = fails_with
        self._everybody = threading.Event()

    def ask_from(self, threads):
        with ThreadPoolExecutor(threads) as pool:
            coming = [pool.submit(self._ask) for _ in range(threads)]
            # Those who came second wait for the first one, who is let go on here.
            while self._waiting() < threads - 1:
                time.sleep(0.001)
            self._everybody.set()
        return coming

    def _waiting(self):
        return sum(len(future._condition._waiters) for future in self.answers._asked.values())

    def _ask(self):
        return self.answers.give(QUESTION, self._answer, seconds=60)

    def _answer(self):
        self.asked += 1
        number = self.asked
        assert self._everybody.wait(10)
        if self._fails_with is not None and number == 1:
            raise self._fails_with
        return number


def test_threads_that_ask_the_same_ask_once():
    service = Service()
    assert [each.result() for each in service.ask_from(8)] == [1] * 8
    assert service.asked == 1


def test_those_who_wait_share_a_failure_and_who_comes_next_asks_again():
    service = Service(ValueError("away"))
    assert {str(each.exception()) for each in service.ask_from(8)} == {"away"}
    assert service.asked == 1
    assert service._ask() == 2


def test_an_interruption_is_the_affair_of_the_one_thread_that_asked():
    service = Service(KeyboardInterrupt())
    coming = service.ask_from(8)
    errors = [each.exception() for each in coming]
    assert [type(error) for error in errors if error] == [KeyboardInterrupt]
    assert [each.result() for each in coming if not each.exception()] == [2] * 7


@pytest.mark.parametrize(("seconds", "asked"), [(60, 1), (0, 2)])
def test_an_answer_holds_for_so_long(seconds, asked):
    answers, numbers = Answers(), iter(range(1, 9))
    for _ in range(2):
        found = answers.give(QUESTION, lambda: next(numbers), seconds=seconds)
    assert found == asked

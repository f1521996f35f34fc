"""A run's card tells what it is, and nothing in it can be anything but text."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from mlflow_azureml_backend.card import Card
from mlflow_azureml_backend.job import EMULATOR, JobHandle, JobStatus

CARD = Card(
    job_name="diabetes_k4xw0c7m2d",
    run_id="0f3c1f6c2a5b4c1e9d8a7b6c5d4e3f21",
    status=JobStatus.RUNNING,
    studio_url="https://ml.azure.com/runs/diabetes_k4xw0c7m2d",
    elapsed=754.2,
    params={"alpha": "0.3", "l1_ratio": "0.5"},
    metrics={"rmse": 71.123456789, "r2": 0.4},
)


class Elements(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.text = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.text += f"{data}  "


def test_a_card_tells_status_time_link_metrics_and_params():
    card = Elements(CARD.to_html())
    for word in (
        "diabetes_k4xw0c7m2d",
        "Running",
        "0:12:34",
        CARD.run_id,
        "rmse",
        "71.1235",
        "0.3",
    ):
        assert word in card.text
    assert card.links == [CARD.studio_url]


def test_what_is_on_a_card_is_text():
    evil = '<script>alert("1")</script>'
    card = Card(
        job_name=evil,
        run_id=evil,
        status=JobStatus.FAILED,
        studio_url='https://h/"><script>',
        error=evil,
        params={evil: evil},
        metrics={evil: float("nan")},
    )
    elements = Elements(card.to_html())
    assert "script" not in elements.tags
    assert elements.text.count(evil) == 6
    assert elements.links == ['https://h/"><script>']


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", None])
def test_only_web_addresses_are_links(url):
    card = Card(job_name="j", run_id="r", status=None, studio_url=url)
    assert Elements(card.to_html()).links == []
    assert "status not known" in card.to_html()


def test_a_card_stays_small():
    card = Card(
        job_name="j", run_id="r", status=None, metrics={f"m{n:03}": float(n) for n in range(500)}
    )
    assert "and 480 more" in card.to_html()
    assert len(card.to_html()) < 10_000


def test_a_run_that_its_store_does_not_know_has_a_card(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "unknown://store")
    handle = JobHandle(workspace=EMULATOR, job_name="job_1")
    card = Card.of_run("run_1", handle, status=JobStatus.QUEUED, error=None)
    assert "Queued" in card.to_html()


def test_the_card_in_the_documentation_is_one():
    page = Path(__file__).parents[1] / "docs" / "how-to" / "follow.md"
    assert CARD.to_html() in page.read_text(encoding="utf-8")

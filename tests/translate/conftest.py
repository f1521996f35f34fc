"""Golden files: a whole JobSpec as JSON, changed only with --update-golden."""

import json
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent.parent / "golden"


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write tests/golden/*.json anew")


@pytest.fixture
def golden(request):
    """Compare JSON with a golden file; a missing file is a failure."""

    def compare(name, content):
        path = GOLDEN / f"{name}.json"
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        if request.config.getoption("--update-golden", default=False):
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), (
            f"There is no {path}. Write it with: pytest tests/translate --update-golden"
        )
        assert text == path.read_text(encoding="utf-8")

    return compare

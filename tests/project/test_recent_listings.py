"""A listing is used again only while it is sure to be what is there."""

from __future__ import annotations

import os
import shutil

import pytest

from mlflow_azureml_backend.project import recent_listings
from mlflow_azureml_backend.project.snapshot_files import list_files

pytestmark = pytest.mark.skipif(os.name == "nt", reason="nothing is remembered there")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Write a project, a while ago: times of change cannot be set, but the clock can."""
    for name in ("a.txt", "sub/b.txt", "sub/deep/c.txt", "sub/.amlignore", "data/link/d.txt"):
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("*.log\n")
    (tmp_path / "project" / "linked").symlink_to("data")
    now = recent_listings.time.time_ns() + 10_000_000_000
    monkeypatch.setattr(recent_listings.time, "time_ns", lambda: now)
    return tmp_path / "project"


@pytest.fixture
def walked(root, monkeypatch):
    """Tell which folders are walked."""
    folders = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: folders.append(path) or scan(path))
    list_files(root)
    assert len(folders) == 7
    folders.clear()
    return folders


def test_a_folder_where_nothing_came_or_went_is_not_walked_again(root, walked):
    (root / "a.txt").write_text("edited")
    assert [file.name for file in list_files(root)] == [
        *("a.txt", "data/link/d.txt", "linked/link/d.txt"),
        *("sub/.amlignore", "sub/b.txt", "sub/deep/c.txt"),
    ]
    assert walked == []


CHANGES = {
    "a file came": lambda root: (root / "sub/deep/new.txt").touch(),
    "a file went": lambda root: (root / "sub/b.txt").unlink(),
    "a file was renamed": lambda root: (root / "a.txt").rename(root / "b.txt"),
    "a folder came": lambda root: (root / "new").mkdir(),
    "a folder went": lambda root: shutil.rmtree(root / "sub"),
    "a rule changed": lambda root: (root / "sub/.amlignore").write_text("*.txt\n"),
    "rules came": lambda root: (root / ".amlignore").write_text("*.txt\n"),
    "a link leads elsewhere": lambda root: (
        (root / "linked").unlink(),
        (root / "linked").symlink_to("sub"),
    ),
    "a file came where a link leads": lambda root: (root / "data/new.txt").touch(),
    "a virtual environment came": lambda root: (root / "sub/pyvenv.cfg").touch(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_comes_or_goes_is_noticed(root, walked, change):
    before = [file.name for file in list_files(root)]
    change(root)
    found = [file.name for file in list_files(root)]
    recent_listings._known.clear()
    assert found == [file.name for file in list_files(root)] != before


def test_other_rules_of_the_config_are_another_listing(root, walked):
    assert [file.name for file in list_files(root, exclude=("sub/", "data/", "linked/"))] == [
        "a.txt"
    ]


def test_a_listing_is_used_for_a_few_seconds_only(root, walked, monkeypatch):
    monkeypatch.setattr(recent_listings, "_FRESH_SECONDS", 0.0)
    list_files(root)
    assert walked


def test_a_folder_that_changed_just_now_is_not_believed(root, walked, monkeypatch):
    monkeypatch.undo()
    (root / "new").touch()
    list_files(root)
    assert not [known for known in recent_listings._known.values() if str(root) in known.places]

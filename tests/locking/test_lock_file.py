"""The lock file that stands beside a project."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlflow_azureml_backend.errors import LockError
from mlflow_azureml_backend.locking.lock_file import Package, new_lock, read_lock, write_lock
from mlflow_azureml_backend.locking.rendered import as_text, locked_conda_file
from mlflow_azureml_backend.locking.request import lock_request

REQUEST = lock_request(
    {"channels": ["https://me:pw@conda.example"], "dependencies": ["zlib", "größe"]},
    channels=None,
    platforms=["linux-64"],
)
PACKAGE = Package(
    name="zlib",
    version="1.20",
    manager="conda",
    platform="linux-64",
    url="https://me:pw@conda.example/linux-64/zlib-1.20-h1_0.conda",
    md5="0" * 32,
    sha256="1" * 64,
    dependencies={"libzlib": ">=1"},
)


def test_what_is_written_is_read_again_without_secrets(tmp_path):
    file = tmp_path / "größer" / "conda-lock.yml"
    lock = new_lock(REQUEST, [PACKAGE])

    write_lock(lock, file, source="conda.yaml")

    assert read_lock(file) == lock
    assert lock.packages[0].build == "h1_0"
    assert "pw" not in file.read_text(encoding="utf-8")
    assert [path.name for path in file.parent.iterdir()] == ["conda-lock.yml"]


def test_there_may_be_none(tmp_path):
    assert read_lock(tmp_path / "conda-lock.yml") is None


def test_a_conda_file_keeps_its_name_variables_secrets_and_nodefaults():
    pip = Package(name="a", version="1", manager="pip", platform="linux-64", url="u", sha256="2")
    url = "https://files.example/b-1.zip"
    other = replace(pip, name="b", url=url, source=f"{url}#sha256=3")
    mac = replace(PACKAGE, platform="osx-64")
    conda = {
        "name": "n",
        "channels": ["https://me:pw@conda.example", "nodefaults"],
        "dependencies": ["zlib", {"pip": ["--pre", "a", f"b @ {url}"]}],
        "variables": {"A": "b"},
    }
    request = lock_request(conda, channels=None, platforms=["linux-64"])

    locked = locked_conda_file(conda, request, new_lock(request, [mac, other, pip, PACKAGE]))

    assert locked == {
        **conda,
        "dependencies": [
            "zlib=1.20=h1_0",
            {"pip": ["--pre", "a == 1 --hash=sha256:2", f"b @ {url}#sha256=3"]},
        ],
    }
    text = as_text(locked, heading="h")
    assert "pw" not in text
    assert "variables" not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version: 1\nmetadata:\n  content_hash: {linux-64: a}\npackage: []\n", "was not made by"),
        ("version: [", "is no lock file"),
        ("", "is no lock file"),
        ("a: b", "is no lock file"),
        ("metadata: {custom_metadata: {made_by: mlflow-azureml lock}}", "is no lock file"),
    ],
)
def test_a_file_of_somebody_else_is_not_replaced(tmp_path, text, expected):
    file = tmp_path / "conda-lock.yml"
    file.write_text(text)

    with pytest.raises(LockError, match=expected) as refused:
        read_lock(file)

    assert str(file) in str(refused.value)
    assert "Delete it" in str(refused.value)


def test_a_folder_in_its_place_is_told(tmp_path):
    with pytest.raises(LockError, match="cannot be read: Is a directory"):
        read_lock(tmp_path)

"""A lock fits as long as the same is asked for, however that is written."""

from __future__ import annotations

import pytest

from mlflow_azureml_backend.errors import LockError
from mlflow_azureml_backend.locking.request import differences, lock_request

CONDA = {
    "name": "n",
    "channels": ["conda-forge", "defaults"],
    "dependencies": ["python=3.11", "numpy >=1.20", {"pip": ["--pre", "mlflow==3.1", "six"]}],
}


def request_of(content=CONDA, channels=None, platforms=("linux-64",)):
    return lock_request(content, channels=channels, platforms=platforms)


@pytest.mark.parametrize(
    "same",
    [
        {**CONDA, "name": "other", "variables": {"A": "1"}, "prefix": "/x"},
        {**CONDA, "channels": ["conda-forge", "nodefaults", "defaults", "conda-forge"]},
        {**CONDA, "dependencies": ["numpy  >=1.20", *CONDA["dependencies"]]},
        {
            **CONDA,
            "dependencies": [
                {"pip": ["six", "--pre"]},
                "python=3.11",
                {"pip": [" mlflow==3.1 "]},
                "numpy >=1.20",
                "pip",
            ],
        },
    ],
)
def test_what_means_the_same_has_the_same_hash(same):
    assert request_of(same).content_hash == request_of().content_hash


@pytest.mark.parametrize(
    "other",
    [
        {**CONDA, "channels": ["defaults", "conda-forge"]},
        {**CONDA, "dependencies": ["python=3.11", "numpy >=1.20"]},
        {**CONDA, "dependencies": ["python=3.11", "numpy >=1.21", CONDA["dependencies"][2]]},
        {**CONDA, "dependencies": ["python=3.11", "numpy >=1.20", {"pip": ["mlflow==3.1", "six"]}]},
    ],
)
def test_what_means_something_else_has_another_hash(other):
    assert request_of(other).content_hash != request_of().content_hash


def test_the_config_s_channels_and_platforms_count():
    hashes = {
        request_of().content_hash,
        request_of(channels=["mine"]).content_hash,
        request_of(platforms=["linux-64", "osx-arm64"]).content_hash,
        request_of(platforms=["osx-arm64", "linux-64"]).content_hash,
    }
    assert len(hashes) == 4
    assert request_of({"dependencies": ["a"]}).channels == ("defaults",)


def test_secrets_in_urls_are_used_and_neither_told_nor_hashed():
    def with_secret(secret):
        return request_of(
            {
                "channels": [
                    f"https://me:{secret}@conda.example/x",
                    f"https://c.example/t/{secret}/y",
                ],
                "dependencies": [
                    "python",
                    {"pip": [f"--index-url https://{secret}@pip.example", "a"]},
                ],
            }
        )

    request = with_secret("s3cret")
    assert "s3cret" in request.channels[0]
    assert "s3cret" not in str(request.as_document())
    assert request.as_document()["channels"] == [
        "https://conda.example/x",
        "https://c.example/y",
    ]
    assert request.content_hash == with_secret("an0ther").content_hash


@pytest.mark.parametrize(
    "line",
    [
        "git+https://u:pw@example.com/a.git",
        "a @ git+ssh://example.com/a.git@main",
        "-e .",
        "--editable=./a",
        "./wheels/a-1.0-py3-none-any.whl",
        "/a.whl",
        "-c constraints.txt",
    ],
)
def test_what_has_no_hash_is_refused_by_name(line):
    with pytest.raises(LockError, match=r"Azure ML does not have|cannot be locked") as refused:
        request_of({"dependencies": ["python", {"pip": ["a", line]}]})
    assert "pw@" not in str(refused.value)
    assert line.split("u:pw@")[-1] in str(refused.value)


def test_what_has_changed_is_told_package_by_package():
    before = request_of().as_document()
    changed = {
        "channels": ["conda-forge"],
        "dependencies": ["python=3.12", "pandas", {"pip": ["mlflow==3.2", "six"]}],
    }

    assert differences(before, request_of(changed).as_document()) == [
        "channels: conda-forge, defaults → conda-forge",
        "python=3.11 → python=3.12",
        "- numpy >=1.20",
        "+ pandas",
        "mlflow==3.1 → mlflow==3.2",
        "options: --pre → none",
    ]

"""The one file of a release that pip would install on the platform of a job."""

from __future__ import annotations

import pytest

from mlflow_azureml_backend.locking.wheels import Target, best_file

ANY = "py3-none-any"
MANY = "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64"
ABI3 = "cp38-abi3-manylinux_2_28_x86_64"
ARM = "cp311-cp311-manylinux_2_17_aarch64"
MAC = "cp311-cp311-macosx_11_0_arm64"
WIN = "cp311-cp311-win_amd64"


@pytest.mark.parametrize(
    ("platform", "python", "tags", "expected"),
    [
        ("linux-64", "3.11.5", [ANY, MANY, MAC], MANY),
        ("linux-64", "3.12.1", [ANY, MANY], ANY),
        ("linux-64", "3.11", [ANY, ABI3], ABI3),
        ("linux-64", "3.11", ["cp311-cp311-musllinux_1_2_x86_64", ARM], None),
        ("linux-64", "3.11", ["cp311-cp311-manylinux_2_34_x86_64"], None),
        ("linux-64", "3.9", ["cp39-cp39-manylinux1_x86_64", ANY], "cp39-cp39-manylinux1_x86_64"),
        ("linux-aarch64", "3.11", [MANY, ARM], ARM),
        ("osx-arm64", "3.11", [MANY, MAC, ANY], MAC),
        ("osx-64", "3.11", [MAC, ANY], ANY),
        ("win-64", "3.11", [MAC, WIN], WIN),
        ("linux-64", "3.11", ["not a wheel's name"], None),
    ],
)
def test_the_best_wheel_is_chosen_else_the_source(platform, python, tags, expected):
    sdist = {"url": "https://files.example/a-1.0.tar.gz"}
    wheels = [{"url": f"https://files.example/a%2B1/a-1.0-{tag}.whl"} for tag in tags]

    file = best_file({"wheels": wheels, "sdist": sdist}, Target(platform=platform, python=python))

    assert file == (sdist if expected is None else wheels[tags.index(expected)])

"""Conda files as people write them, read as what a plain Python environment needs."""

from __future__ import annotations

import json
import textwrap

import pytest
import yaml

from mlflow_azureml_backend.emulator.runtimes.conda_file import (
    CondaFile,
    CondaFileError,
    read_conda_file,
)
from mlflow_azureml_backend.emulator.runtimes.conda_names import pip_name
from mlflow_azureml_backend.emulator.runtimes.match_spec import parse_match_spec

LEFT_OUT = "'{}' is left out: it is a conda package that the Python package index does not have."
CHANNELS = "The channels {} are not used: packages come from the Python package index."


def read(text: str) -> CondaFile:
    return read_conda_file(textwrap.dedent(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            """
            name: tutorial
            channels:
              - conda-forge
            dependencies:
              - python=3.7
              - pip
              - pip:
                  - scikit-learn==0.23.2
                  - mlflow>=1.0
            """,
            CondaFile(
                python="==3.7.*",
                requirements=("pip", "scikit-learn==0.23.2", "mlflow>=1.0"),
                notes=(CHANNELS.format(["conda-forge"]),),
            ),
            id="mlflow-example",
        ),
        pytest.param(
            """
            channels: [defaults]
            dependencies:
              - python=3.8.13
              - numpy=1.21
              - pip<=21.2.4
            name: test-env
            prefix: /home/someone/miniconda3/envs/test-env
            """,
            CondaFile(
                python="==3.8.13.*",
                requirements=("numpy==1.21.*", "pip<=21.2.4"),
                notes=(CHANNELS.format(["defaults"]),),
            ),
            id="an example project of mlflow's tests, with a prefix",
        ),
        pytest.param(
            """
            name: pytorch-env
            channels:
              - pytorch
              - conda-forge
            dependencies:
              - python=3.7.6
              - pytorch::pytorch=1.6.0=py3.7_cuda
              - torchvision=0.7
              - cudatoolkit=10.2
              - py-xgboost=1.3
              - matplotlib-base
              - pip:
                  - azureml-mlflow==1.30.0
            """,
            CondaFile(
                python="==3.7.6.*",
                requirements=(
                    "torch==1.6.0",
                    "torchvision==0.7.*",
                    "xgboost==1.3.*",
                    "matplotlib",
                    "azureml-mlflow==1.30.0",
                ),
                notes=(
                    CHANNELS.format(["pytorch", "conda-forge"]),
                    "'pytorch::pytorch=1.6.0=py3.7_cuda': the build 'py3.7_cuda' is left out.",
                    LEFT_OUT.format("cudatoolkit=10.2"),
                ),
            ),
            id="an azureml example with CUDA",
        ),
        pytest.param(
            """
            dependencies:
              - _libgcc_mutex=0.1
              - ca-certificates=2022.4.26
              - openssl=1.1.1o
              - python=3.9.12
              - zlib=1.2.12
            """,
            CondaFile(
                python="==3.9.12.*",
                notes=(
                    LEFT_OUT.format("_libgcc_mutex=0.1"),
                    LEFT_OUT.format("ca-certificates=2022.4.26"),
                    "'openssl=1.1.1o': pip has no such version as '=1.1.1o': any version is taken.",
                    LEFT_OUT.format("openssl=1.1.1o"),
                    LEFT_OUT.format("zlib=1.2.12"),
                ),
            ),
            id="what `conda env export` lists of the system",
        ),
        pytest.param(
            """
            dependencies:
              - numpy=1.20
              - pandas
              - pip:
                  - numpy==1.21.0
                  - pandas
            """,
            CondaFile(
                requirements=("pandas", "numpy==1.21.0", "pandas"),
                notes=("'numpy==1.20.*' gives way to 'numpy==1.21.0' of the pip section.",),
            ),
            id="pip replaces what conda installed, if it pins it",
        ),
        pytest.param(
            """
            dependencies:
              - python>=3.8,<3.11
              - pip:
                  # the CPU builds
                  - --extra-index-url https://download.pytorch.org/whl/cpu
                  - --find-links=https://example.org/wheels
                  - -i https://example.org/simple
                  - --pre
                  - --trusted-host example.org
                  - torch==1.12.1+cpu  # pinned
                  - 'mlflow[extras]>=2.9; python_version >= "3.8"'
                  - git+https://github.com/mlflow/mlflow-example
            """,
            CondaFile(
                python=">=3.8,<3.11",
                requirements=(
                    "torch==1.12.1+cpu",
                    'mlflow[extras]>=2.9; python_version >= "3.8"',
                    "git+https://github.com/mlflow/mlflow-example",
                ),
                options=(
                    "--extra-index-url",
                    "https://download.pytorch.org/whl/cpu",
                    "--find-links",
                    "https://example.org/wheels",
                    "--index-url",
                    "https://example.org/simple",
                    "--pre",
                ),
                notes=("The pip option '--trusted-host example.org' is not used.",),
            ),
            id="options of pip",
        ),
        pytest.param("name: nothing", CondaFile(), id="no dependencies"),
    ],
)
def test_a_conda_file_is_read_as_python_requirements_and_notes(
    text: str, expected: CondaFile
) -> None:
    assert read(text) == expected


def test_the_json_that_azure_ml_keeps_reads_like_the_yaml_it_was_made_from() -> None:
    text = "dependencies: [python=3.10, pip, {pip: ['six>=1, <2', 'a\\b']}]"

    assert read_conda_file(json.dumps(yaml.safe_load(text))) == read_conda_file(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- just\n- a list", "has to be a mapping"),
        ("dependencies: python", "have to be a list"),
        ("dependencies: [{npm: [left-pad]}]", "neither a package nor a list of pip requirements"),
        ("dependencies: [{pip: six}]", "neither a package nor a list of pip requirements"),
        ("dependencies: ['==1.0']", "'==1.0' is not a match spec"),
        ("dependencies: [{pip: ['-r requirements.txt']}]", "'-r requirements.txt' names a file"),
        ("dependencies: [{pip: ['-e .']}]", "builds an environment from its conda file alone"),
        ("dependencies: [{pip: ['--requirement=a.txt']}]", "names a file"),
        ("dependencies: [", "is not valid YAML"),
    ],
)
def test_what_azure_ml_could_not_build_either_is_refused(text: str, expected: str) -> None:
    with pytest.raises(CondaFileError) as error:
        read_conda_file(text)

    assert expected in str(error.value)


@pytest.mark.parametrize(
    ("spec", "name", "specifier"),
    [
        ("numpy", "numpy", ""),
        ("NumPy", "numpy", ""),
        ("numpy=1.26", "numpy", "==1.26.*"),
        ("numpy = 1.26", "numpy", "==1.26.*"),
        ("numpy==1.26.4", "numpy", "==1.26.4"),
        ("numpy==1.26.*", "numpy", "==1.26.*"),
        ("numpy=1.26.*", "numpy", "==1.26.*"),
        ("numpy=1.26*", "numpy", "==1.26.*"),
        ("numpy 1.26.4", "numpy", "==1.26.4"),
        ("numpy 1.26.*", "numpy", "==1.26.*"),
        ("numpy >=1.20, <2", "numpy", ">=1.20,<2"),
        ("numpy>=1.20.*", "numpy", ">=1.20"),
        ("numpy!=1.25.0", "numpy", "!=1.25.0"),
        ("numpy~=1.20", "numpy", "~=1.20"),
        ("numpy=1.26.4=py311h64a7726_0", "numpy", "==1.26.4"),
        ("numpy 1.26.4 py311h64a7726_0", "numpy", "==1.26.4"),
        ("numpy=*", "numpy", ""),
        ("pandas=2.0rc1", "pandas", "==2.0rc1"),
        ("conda-forge::numpy=1.26", "numpy", "==1.26.*"),
        ("conda-forge/linux-64::numpy", "numpy", ""),
        ("numpy[version='>=1.20,<2',build=py311*]", "numpy", ">=1.20,<2"),
        ("ruamel.yaml>0.15", "ruamel.yaml", ">0.15"),
    ],
)
def test_a_match_spec_is_translated_to_pep_440(spec: str, name: str, specifier: str) -> None:
    found = parse_match_spec(spec)

    assert found is not None
    assert (found.name, found.specifier) == (name, specifier)


@pytest.mark.parametrize("spec", ["numpy>=1.20|1.19.*", "jpeg=9e", "openssl=1.1.1k", "numpy="])
def test_versions_that_pip_cannot_be_told_are_reported(spec: str) -> None:
    found = parse_match_spec(spec)

    assert found is not None
    assert found.specifier == ""
    assert "any version is taken" in found.note


@pytest.mark.parametrize("text", ["", "=1.0", "git+https://example.org/a", "./package"])
def test_what_is_no_match_spec_is_told_apart(text: str) -> None:
    assert parse_match_spec(text) is None


@pytest.mark.parametrize(
    ("conda", "pip"),
    [
        ("pytorch", "torch"),
        ("py-xgboost", "xgboost"),
        ("matplotlib-base", "matplotlib"),
        ("tensorflow-gpu", "tensorflow"),
        ("scikit-learn", "scikit-learn"),
        ("librosa", "librosa"),
        *((name, None) for name in ("cudatoolkit", "mkl", "openjdk", "git", "gcc", "libgcc-ng")),
        ("gcc_linux-64", None),
    ],
)
def test_conda_packages_have_the_name_they_have_on_pypi_or_none(
    conda: str, pip: str | None
) -> None:
    assert pip_name(conda) == pip

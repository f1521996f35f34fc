"""The Dockerfile by which a conda file becomes an environment of a base image, as in Azure ML."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

_SETUP: Final = "/azureml-environment-setup"
# The variables under which pip, conda, curl and OpenSSL look for certificates.
_CERTIFICATE_VARIABLES: Final = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "CONDA_SSL_VERIFY",
)
_DOCKERFILE: Final = """\
FROM {base}
USER 0
COPY . {setup}
RUN sh {setup}/create.sh {prefix}
ENV PATH="{prefix}/bin:$PATH"
ENV LD_LIBRARY_PATH="{prefix}/lib:$LD_LIBRARY_PATH"
ENV AZUREML_CONDA_ENVIRONMENT_PATH="{prefix}" CONDA_PREFIX="{prefix}" CONDA_DEFAULT_ENV="{name}"
"""
_CREATE: Final = """\
set -e
cd {setup}
if [ -f ca.pem ]; then
    for variable in {certificates}; do
        export "$variable={setup}/ca.pem"
    done
fi
if command -v conda > /dev/null; then
    exec conda env create --quiet --prefix "$1" --file conda_dependencies.yml
elif command -v mamba > /dev/null; then
    exec mamba env create --quiet --yes --prefix "$1" --file conda_dependencies.yml
elif command -v micromamba > /dev/null; then
    exec micromamba create --quiet --yes --prefix "$1" --file conda_dependencies.yml
fi
echo "The base image has none of the programs conda, mamba and micromamba, one of which has to" \\
    "make the environment of the conda file. Choose an image that has one, as Azure ML's own" \\
    "base images do, or leave the conda file out." >&2
exit 3
"""


def write_conda_layer(folder: Path, base: str, conda_file: str) -> str:
    """Write the build context that adds a conda environment to an image.

    Args:
        folder: where to; it is made.
        base: the image.
        conda_file: the conda file's text.

    Returns:
        The name of the environment in the image.
    """
    folder.mkdir(parents=True)
    name = f"azureml_{hashlib.sha256(conda_file.encode()).hexdigest()[:32]}"
    prefix = f"/azureml-envs/{name}"
    (folder / "Dockerfile").write_text(
        _DOCKERFILE.format(base=base, setup=_SETUP, prefix=prefix, name=name)
    )
    certificates = " ".join(_CERTIFICATE_VARIABLES)
    (folder / "create.sh").write_text(_CREATE.format(setup=_SETUP, certificates=certificates))
    (folder / "conda_dependencies.yml").write_text(conda_file, encoding="utf-8")
    # Behind a proxy that signs for other hosts, a build has to trust what this machine trusts.
    bundle = os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE")
    if bundle and Path(bundle).is_file():
        shutil.copyfile(bundle, folder / "ca.pem")
    return name

"""What this machine's Docker Engine has to do for an environment's image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mlflow_azureml_backend.config.schema import ImageConfig
from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.job import LocalImageSpec

if TYPE_CHECKING:
    from mlflow_azureml_backend.config import BackendConfig
    from mlflow_azureml_backend.job import EnvironmentSpec


def image_section(image: ImageConfig | str | None) -> ImageConfig:
    """Read the backend config's `image`, whose text form is its `base`."""
    return ImageConfig(base=image) if isinstance(image, str) else image or ImageConfig()


def builds_project(config: BackendConfig) -> bool:
    """Tell whether the config asks for an image of the project's own Dockerfile."""
    return config.environment is None and image_section(config.image).build


def with_local_image(spec: EnvironmentSpec, wanted: ImageConfig) -> EnvironmentSpec:
    """Say what has to be done on this machine's engine before the job can have its image.

    A folder with a Dockerfile is built here once a repository says where its image goes; an image
    that is named may be on this machine alone, which only its engine knows.

    Args:
        spec: The environment, the plugin not added yet.
        wanted: The backend config's `image`.

    Raises:
        ConfigError: There is nothing to build, or no image that could be pushed.
    """
    named = spec.image is not None and spec.conda_file is None
    context = spec.build is not None
    if wanted.build and not context:
        raise ConfigError(
            f"Backend config: image.build: this environment ({spec.origin}) has no Dockerfile to "
            "build. Name a folder with one in environment.build, or leave `build` out."
        )
    if wanted.repository is not None and not (named or context):
        raise ConfigError(
            "Backend config: image.repository: nothing would be pushed there, for this machine "
            f"makes no image of this environment ({spec.origin}). Add a Dockerfile to the project "
            "and set image.build, or leave `repository` out."
        )
    if not named and (not context or wanted.repository is None):
        return spec
    local = LocalImageSpec(
        name=spec.image, repository=wanted.repository, push=wanted.push is not False
    )
    return replace(spec, local=local)

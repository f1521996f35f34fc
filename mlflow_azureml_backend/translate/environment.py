"""The job's environment, from the project's own or from the backend config's."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import Version

from mlflow_azureml_backend.config.schema import EnvironmentConfig
from mlflow_azureml_backend.errors import ConfigError
from mlflow_azureml_backend.job import BuildSpec, EnvironmentSpec
from mlflow_azureml_backend.project import EnvironmentKind, ProjectEnvironment
from mlflow_azureml_backend.translate.base_image import base_image
from mlflow_azureml_backend.translate.conda_spec import as_requirement, package_of
from mlflow_azureml_backend.translate.injection import Injection, names_plugin, plan_injection
from mlflow_azureml_backend.translate.local_image import image_section, with_local_image
from mlflow_azureml_backend.translate.local_packages import (
    build_with_local_packages,
    local_paths,
)
from mlflow_azureml_backend.translate.plugin_install import on_image, plugin_layer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow_azureml_backend.config import BackendConfig
    from mlflow_azureml_backend.config.schema import ImageConfig
    from mlflow_azureml_backend.translate.plugin_releases import PluginRelease, PluginReleases

_REFERENCE = re.compile(r"^azureml:(//registries/.+|[^/:@]+(:[^/:@]+|@[^/:@]+))$")

_BACKEND = "mlflow-azureml-backend"

# Why an environment was chosen, where the MLproject does not say it.
_ORIGINS = {
    EnvironmentKind.REQUIREMENTS: "{file}, since the MLproject names no environment, with Python "
    "{python} as here",
    EnvironmentKind.NONE: "no environment file: Python {python} and MLflow as here",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientVersions:
    """What this machine runs, for projects that leave it open.

    Args:
        python: `major.minor`.
        mlflow: MLflow's version.
        backend: pip requirement of this package, for a job that starts runs itself; None where
            what is installed here is no release.
    """

    python: str
    mlflow: str
    backend: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEnvironment:
    """Hold an environment and what must happen in it before the job's command runs.

    Args:
        spec: the environment.
        at_start: the plugin to install when the job starts, or None.
        notes: What the user should know of it.
    """

    spec: EnvironmentSpec
    at_start: PluginRelease | None = None
    notes: tuple[str, ...] = ()


def plan_environment(
    project: ProjectEnvironment,
    config: BackendConfig,
    *,
    versions: ClientVersions,
    releases: PluginReleases,
    root: Path,
    starts_runs: bool = False,
) -> PlannedEnvironment:
    """Choose the environment, and add `azureml-mlflow` to it.

    An environment that the config names runs as it is, unless `inject` says otherwise.

    Args:
        project: The project's environment, files read.
        config: The backend config, files read.
        versions: This machine's Python and MLflow.
        releases: The releases of the plugin.
        root: The project's folder, of which packages may be installed.
        starts_runs: The job starts runs of this backend itself, and needs this package.

    Raises:
        ConfigError: The config's environment is no environment.
        EnvironmentSpecError: It asks for what a job cannot have.
    """
    planned = _with_plugin_somewhere(project, config, versions=versions, releases=releases)
    if starts_runs:
        planned = _with_backend(planned, versions.backend, inject=config.inject)
    return replace(planned, spec=_with_local_packages(planned.spec, root))


def _with_plugin_somewhere(
    project: ProjectEnvironment,
    config: BackendConfig,
    *,
    versions: ClientVersions,
    releases: PluginReleases,
) -> PlannedEnvironment:
    inject = config.inject
    image = image_section(config.image)
    if config.environment is None:
        spec = _of_project(project, image, versions)
        inject = inject or "environment"
    else:
        spec = environment_from_config(config.environment)
        inject = inject or "never"
    spec = with_local_image(spec, image)
    if inject == "never":
        return PlannedEnvironment(spec=spec)
    if inject == "command":
        return PlannedEnvironment(spec=spec, at_start=releases.releases[0])
    if spec.conda_file is not None:
        conda, injection = _with_plugin(spec.conda_file, versions, releases)
        return PlannedEnvironment(spec=replace(spec, conda_file=conda), at_start=injection.at_start)
    if spec.local is not None:
        layer = plugin_layer(releases.releases[0], mlflow=client_mlflow(versions, releases))
        spec = replace(spec, local=replace(spec.local, layer=layer))
        if spec.image is not None:
            # For an image in a registry; one of this machine gets the layer here.
            build = on_image(layer, spec.image)
            spec = replace(spec, image=None, build=build)
        return PlannedEnvironment(spec=spec)
    # What an existing environment or a Dockerfile makes cannot be known or changed here.
    return PlannedEnvironment(spec=spec, at_start=releases.releases[0])


def environment_from_config(wanted: EnvironmentConfig | str) -> EnvironmentSpec:
    """Read the backend config's `environment`.

    Args:
        wanted: A reference, or an inline environment whose files have been read.

    Raises:
        ConfigError: The text is no reference to an environment.
    """
    origin = "backend config"
    if isinstance(wanted, EnvironmentConfig):
        if wanted.build is not None:
            build = BuildSpec(
                folder=Path(wanted.build.path), dockerfile=wanted.build.dockerfile_path
            )
            return EnvironmentSpec(build=build, origin=origin)
        conda = wanted.conda_file if isinstance(wanted.conda_file, dict) else None
        return EnvironmentSpec(image=wanted.image, conda_file=conda, origin=origin)
    if not _REFERENCE.match(wanted):
        raise ConfigError(
            f"Backend config: environment: {wanted!r} is no environment; write "
            "'azureml:NAME:VERSION', 'azureml:NAME@latest', 'azureml://registries/…', the path of "
            'an environment\'s YAML file, or {"image": …, "conda_file": …, "build": …}.'
        )
    return EnvironmentSpec(reference=wanted, origin=origin)


def client_mlflow(versions: ClientVersions, releases: PluginReleases) -> str:
    """Give the MLflow, as a pip requirement, for an image that has none."""
    return f"mlflow-skinny=={min(Version(versions.mlflow), releases.newest_mlflow)}"


def _of_project(
    environment: ProjectEnvironment, wanted: ImageConfig, versions: ClientVersions
) -> EnvironmentSpec:
    if environment.kind is EnvironmentKind.DOCKER:
        return EnvironmentSpec(image=environment.image, origin="docker_env")
    if environment.kind is EnvironmentKind.DOCKERFILE:
        build = BuildSpec(folder=environment.context, dockerfile=environment.file or "Dockerfile")
        return EnvironmentSpec(build=build, origin="Dockerfile")
    conda: Mapping[str, Any]
    if environment.kind is EnvironmentKind.CONDA:
        conda = environment.conda or {}
    else:
        python = environment.python or versions.python
        pip = [{"pip": list(environment.requirements)}] if environment.requirements else []
        conda = {
            "channels": ["conda-forge"],
            "dependencies": [f"python={python}", "pip", *pip],
        }
    specs, lines = _parts(conda)
    return EnvironmentSpec(
        image=wanted.base or base_image([*specs, *lines], gpu=wanted.gpu),
        conda_file=conda,
        origin=_ORIGINS.get(environment.kind, "{file}").format(
            file=environment.file, python=versions.python
        ),
    )


def _with_plugin(
    conda: Mapping[str, Any], versions: ClientVersions, releases: PluginReleases
) -> tuple[Mapping[str, Any], Injection]:
    specs, lines = _parts(conda)
    injection = plan_injection(
        [*map(as_requirement, specs), *lines], client_mlflow=versions.mlflow, releases=releases
    )
    if injection.replaces_plugin:
        specs = [spec for spec in specs if not names_plugin(as_requirement(spec))]
        lines = [line for line in lines if not names_plugin(line)]
        conda = {**conda, "dependencies": [*specs, {"pip": lines}]}
    if not injection.requirements:
        return conda, injection
    # pip knows the plugin's bounds. Conda's solver does not: it would pick the newest, and pip
    # then replace half of it.
    named = [package_of(spec) for spec in specs]
    bounds = [bound for bound in injection.bounds if package_of(bound) in named]
    if "pip" not in named:
        bounds.append("pip")
    pip = {"pip": [*lines, *injection.requirements]}
    return {**conda, "dependencies": [*specs, *bounds, pip]}, injection


def _with_backend(
    planned: PlannedEnvironment, requirement: str | None, *, inject: str | None
) -> PlannedEnvironment:
    """Add this package, for a job that starts runs itself; say it where that is the user's."""
    spec = planned.spec
    specs, lines = _parts(spec.conda_file) if spec.conda_file else ((), ())
    if any(line.replace("_", "-").startswith(_BACKEND) for line in lines):
        return planned
    why = None
    if requirement is None:
        why = "what is installed here is no release that can be named there"
    elif spec.conda_file is None:
        why = "this environment cannot be added to"
    elif inject == "never":
        why = "`inject` is never"
    elif any("--hash" in line for line in lines):
        why = "its packages are given by their hashes"
    if why is not None or spec.conda_file is None:
        note = (
            f"The job starts runs itself, so its environment ({spec.origin}) has to have "
            f"{_BACKEND}, which is not added: {why}"
        )
        return replace(planned, notes=(note,))
    pip = [] if any(package_of(item) == "pip" for item in specs) else ["pip"]
    conda = {**spec.conda_file, "dependencies": [*specs, *pip, {"pip": [*lines, requirement]}]}
    return replace(planned, spec=replace(spec, conda_file=conda))


def _with_local_packages(spec: EnvironmentSpec, root: Path) -> EnvironmentSpec:
    paths = local_paths(_parts(spec.conda_file)[1]) if spec.conda_file else ()
    if not paths or spec.image is None or spec.conda_file is None:
        return spec
    build = build_with_local_packages(spec.image, spec.conda_file, paths, root=root)
    return replace(spec, image=None, conda_file=None, build=build)


def _parts(conda: Mapping[str, Any]) -> tuple[Sequence[str], Sequence[str]]:
    """Give a conda file's own dependencies and its pip lines."""
    dependencies = conda.get("dependencies", [])
    specs = [item for item in dependencies if isinstance(item, str)]
    lines = [line for item in dependencies if isinstance(item, dict) for line in item["pip"]]
    return specs, lines

"""One run, planned: all that can be said of it before the workspace is asked."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import mlflow

from mlflow_azureml_backend.config import read_backend_config
from mlflow_azureml_backend.config.inheritance import (
    hand_down,
    inheritance_of,
    with_inherited,
)
from mlflow_azureml_backend.config.job_file import MERGED
from mlflow_azureml_backend.config.job_schema import JOB_KEYS
from mlflow_azureml_backend.config.local_compute import refuse_local
from mlflow_azureml_backend.config.schema import ImageConfig
from mlflow_azureml_backend.config.steps import step_configs
from mlflow_azureml_backend.locking.environment_lock import lock_environment
from mlflow_azureml_backend.nesting import (
    below_this_job,
    handing_down,
    own_requirement,
    with_commit_of_job,
)
from mlflow_azureml_backend.project.config_files import read_config_files, read_job_file
from mlflow_azureml_backend.project.loader import fetch_project, read_project
from mlflow_azureml_backend.translate import ClientVersions, translate
from mlflow_azureml_backend.translate.job import starts_runs
from mlflow_azureml_backend.translate.job_yaml import as_text, job_yaml
from mlflow_azureml_backend.translate.local_image import builds_project
from mlflow_azureml_backend.translate.pipeline_yaml import pipeline_yaml
from mlflow_azureml_backend.translate.sweep_yaml import sweep_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlflow_azureml_backend.config import BackendConfig, MLflowOptions
    from mlflow_azureml_backend.config.inheritance import Inheritance
    from mlflow_azureml_backend.job import JobSpec
    from mlflow_azureml_backend.locking.environment_lock import LockedEnvironment
    from mlflow_azureml_backend.project import ProjectSpec


GENERATED = "job-context"
"""The name of a build context that is not a folder of this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Hold a run as it was read and translated.

    Args:
        project: The project.
        config: The backend config, laid over its job file, the files that it names read.
        options: What the caller asked of MLflow itself.
        spec: The job.
        origins: Key of the job YAML -> where it comes from, for people.
        locked: The lock of its environment, or None.
        handed_down: What the job hands down to the runs that it starts, or None if it starts none.
    """

    project: ProjectSpec
    config: BackendConfig
    options: MLflowOptions
    spec: JobSpec
    origins: Mapping[str, str]
    locked: LockedEnvironment | None = None
    handed_down: Inheritance | None = None

    @property
    def wants_gpu(self) -> bool:
        """Whether the user asked for a GPU."""
        return isinstance(self.config.image, ImageConfig) and bool(self.config.image.gpu)

    def document(self, *, code: str | None = None, context: str | None = None) -> dict[str, Any]:
        """Give the job's document, as `az ml job create -f` takes it.

        Args:
            code: How the project's folder is named; default: by its absolute path.
            context: The folder of the environment's build context; default: as it is on this
                machine, or one that does not exist yet.
        """
        build = self.spec.environment.build
        if context is None and build is not None:
            context = str(build.folder) if build.is_folder else GENERATED
        code = code or str(self.spec.code)
        if self.spec.pipeline is not None:
            return pipeline_yaml(self.spec, code=code, context=context)
        document = job_yaml(self.spec, code=code, context=context)
        return document if self.spec.sweep is None else sweep_yaml(document, self.spec.sweep)

    def text(self, *, code: str | None = None, context: str | None = None) -> str:
        """Give the same document as YAML."""
        return as_text(self.document(code=code, context=context))


def plan_run(
    project_uri: str,
    *,
    version: str | None,
    entry_point: str,
    parameters: Mapping[str, Any] | None,
    backend_config: Mapping[str, Any],
    experiment_name: str,
    run_name: str | None,
) -> Plan:
    """Read and translate one run; nothing is created, and only a project in git is fetched.

    Args:
        project_uri: Folder, zip file or git URI.
        version: Git version, or None.
        entry_point: Entry point or script.
        parameters: The user's parameter values.
        backend_config: The user's config and what MLflow adds to it.
        experiment_name: Name of the MLflow experiment.
        run_name: The name given with `--run-name`.

    Raises:
        AzureMLBackendError: The config, the project or its environment is wrong, or asks for a
            run on this machine, which is no job.
    """
    own, options = read_backend_config(backend_config)
    parent = inheritance_of(os.environ)
    root = fetch_project(project_uri, version)
    laid = read_job_file(own, root)
    inherited: tuple[str, ...] = ()
    env_manager = options.env_manager
    if parent is not None:
        laid, inherited = with_inherited(laid, parent, os.environ)
        if env_manager in (None, "local"):  # `local`: what the caller runs in, which is the job
            env_manager = parent.env_manager
    laid = below_this_job(laid, os.environ)
    project = read_project(
        project_uri,
        version=version,
        entry_point=entry_point,
        parameters=parameters,
        build_image=options.build_image or builds_project(laid),
        config=laid,
        root=root,
    )
    project = with_commit_of_job(project, parent)
    refuse_local(laid)
    config = read_config_files(laid, project.root)
    steps = {
        name: read_config_files(step, project.root) for name, step in step_configs(laid).items()
    }
    spec = translate(
        project,
        config,
        experiment_name=experiment_name,
        run_name=run_name,
        versions=client_versions(),
        use_project_environment=env_manager != "local",
        docker_args=options.docker_args,
        environ=os.environ,
        steps=steps,
    )
    plan = Plan(
        project=project,
        config=config,
        options=options,
        spec=replace(spec, notes=(*options.notes, *inherited, *spec.notes)),
        origins=_origins(own, laid, project, run_name),
    )
    if not starts_runs(project, config):
        return plan
    down = hand_down(
        laid, config, env_manager=env_manager, git=asdict(project.git) if project.git else None
    )
    return replace(plan, spec=handing_down(plan.spec, down), handed_down=down)


def with_lock(plan: Plan, *, note: Callable[[str], None]) -> Plan:
    """Give the plan with its environment locked, if that is asked for.

    Args:
        plan: The run.
        note: Told what is done, which can take a while.

    Raises:
        LockError: The environment cannot be locked, or its lock does not fit and may not change.
    """
    if plan.config.lock is None:
        return plan
    locked = lock_environment(
        plan.spec.environment,
        plan.config.lock,
        plan.project.root,
        note=note,
        fetched=plan.project.is_fetched,
    )
    return replace(plan, spec=replace(plan.spec, environment=locked.spec), locked=locked)


@cache
def client_versions() -> ClientVersions:
    """Say what this machine runs."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return ClientVersions(python=python, mlflow=mlflow.__version__, backend=own_requirement())


def _origins(
    own: BackendConfig, laid: BackendConfig, project: ProjectSpec, run_name: str | None
) -> dict[str, str]:
    """Say of each key of the job YAML where it comes from."""
    file = own.job_file or ""
    found = {
        "command": f"MLproject, entry point '{project.entry_point.name}'",
        "code": "the project's folder",
        "environment": f"the project ({project.environment.kind.value})",
        "experiment_name": "the MLflow experiment",
        "properties": "the project's git repository",
    }
    if run_name:
        found["display_name"] = "--run-name"
    if project.steps:
        del found["command"]
        for name, step in project.steps.items():
            entry_point = step.entry_point.name
            found[f"jobs.{name}"] = f"MLproject, entry point '{entry_point}', by steps.{name}"
    for key in JOB_KEYS:
        if key in own.model_fields_set:
            entries = _entries(own, key)
            added = [name for name in _entries(laid, key) if name not in entries]
            found[key] = "backend config"
            if key in MERGED and added:
                found[key] += f" ({', '.join(entries)}), {file} ({', '.join(added)})"
        elif key in laid.model_fields_set:
            found[key] = file
    return found


def _entries(config: BackendConfig, key: str) -> list[str]:
    given = config.model_dump(include={key}, exclude_unset=True).get(key)
    return list(given) if isinstance(given, dict) else []

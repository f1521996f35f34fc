"""`mlflow-azureml render`: the job that a run would be, as YAML, with nothing created."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlflow_azureml_backend.cli.config_option import config_from
from mlflow_azureml_backend.cli.failures import one_line_errors
from mlflow_azureml_backend.cli.options import json_option
from mlflow_azureml_backend.cli.project_options import pairs, project_options

if TYPE_CHECKING:
    from mlflow_azureml_backend.plan import Plan


@click.command(epilog="Example: mlflow-azureml render . -P alpha=0.5 -c azureml.json --explain")
@project_options
@click.option("--explain", is_flag=True, help="Say of each key where it comes from.")
@click.option("--files", is_flag=True, help="List the files of the snapshot.")
@click.option("--check", is_flag=True, help="Ask the workspace whether the job could run there.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file, and a generated build context beside it.",
)
@json_option
def render(
    project: str,
    entry_point: str,
    version: str | None,
    values: tuple[str, ...],
    docker_args: tuple[str, ...],
    backend_config: str | None,
    env_manager: str | None,
    build_image: bool,
    experiment_name: str | None,
    run_name: str | None,
    explain: bool,
    files: bool,
    check: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """Print the job that `mlflow run` would submit, as `az ml job create -f` takes it.

    Needs no network, unless the project is in git or --check asks the workspace.
    """
    from mlflow_azureml_backend.plan import plan_run, with_lock

    config = config_from(backend_config)
    added = {
        "ENV_MANAGER": env_manager,
        "DOCKER_ARGS": pairs(docker_args, "--docker-args", flags=True),
        "build_image": build_image,
    }
    with one_line_errors(as_json=as_json):
        plan = plan_run(
            project,
            version=version,
            entry_point=entry_point,
            parameters=pairs(values, "--param-list"),
            backend_config={**config, **added},
            experiment_name=experiment_name or "Default",
            run_name=run_name,
        )
        plan = with_lock(plan, note=lambda text: click.echo(text, err=True))
        lines = [*_notes(plan), *(_explained(plan) if explain else [])]
        lines += _listed(plan) if files else []
        lines += _checked(plan) if check else []
        if as_json:
            click.echo(json.dumps({"job": plan.document(), "lines": lines}, indent=2))
            return
        _write(plan, "".join(f"# {line}".rstrip() + "\n" for line in lines), output)


def _notes(plan: Plan) -> list[str]:
    from mlflow_azureml_backend.translate.yaml_limits import beyond_yaml

    notes = (*plan.project.warnings, *plan.spec.notes, *beyond_yaml(plan.spec))
    return [f"Note: {note}." for note in notes]


def _explained(plan: Plan) -> list[str]:
    width = max(map(len, plan.origins))
    lines = [f"  {key:<{width}}  {origin}" for key, origin in plan.origins.items()]
    return ["Where it comes from; the backend config goes first, then its job file:", *lines]


def _listed(plan: Plan) -> list[str]:
    from mlflow_azureml_backend.workspace.snapshot import list_files

    exclude = plan.spec.snapshot.exclude
    listed = list_files(plan.spec.code, exclude=exclude)
    found = [(file.path.stat().st_size, file.name) for file in listed]
    total = sum(size for size, _ in found)
    lines = [f"  {size:>13,}  {name}" for size, name in found]
    return [f"Snapshot: {len(found)} files, {total:,} bytes:", *lines]


def _checked(plan: Plan) -> list[str]:
    import mlflow

    from mlflow_azureml_backend.config import locate_workspace
    from mlflow_azureml_backend.workspace import connect

    ref = locate_workspace(
        plan.config.workspace,
        tracking_uri=mlflow.get_tracking_uri(),
        environ=os.environ,
        project_root=plan.project.root,
    )
    workspace = connect(ref)
    found = workspace.check(plan.spec, wants_gpu=plan.wants_gpu)
    return [
        *(f"Note: {note}." for note in found),
        f"Checked with workspace {ref.workspace_name}: the job can run there.",
    ]


def _write(plan: Plan, comments: str, output: Path | None) -> None:
    from mlflow_azureml_backend.plan import GENERATED
    from mlflow_azureml_backend.workspace.build_context import write_build_context

    build = plan.spec.environment.build
    generated = build is not None and not build.is_folder
    if output is None:
        if generated:
            comments += (
                f"# environment.build.path: with -o, render writes {GENERATED} beside its file.\n"
            )
        click.echo(comments + plan.text(), nl=False)
        return
    context = f"{output.stem}-context" if generated else None
    try:
        output.write_text(comments + plan.text(context=context), encoding="utf-8")
        if generated and build is not None and context is not None:
            write_build_context(build, output.parent / context)
    except OSError as error:
        raise click.ClickException(f"{output} cannot be written: {error.strerror}.") from error

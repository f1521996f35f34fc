"""`mlflow-azureml run`: what `mlflow run` does, without the rest of MLflow's command line.

`mlflow run` imports MLflow's server and its assistant before it looks at its arguments, which takes
longer than to import what runs a project and to submit it.
"""

from __future__ import annotations

import click

from mlflow_azureml_backend.cli.config_option import config_from
from mlflow_azureml_backend.cli.failures import one_line_errors
from mlflow_azureml_backend.cli.options import store_option
from mlflow_azureml_backend.cli.project_options import pairs, project_options


@click.command(epilog="Example: mlflow-azureml run . -P alpha=0.5 -c azureml.json")
@project_options
@click.option("--experiment-id", envvar="MLFLOW_EXPERIMENT_ID", help="Instead of its name.")
@click.option("--storage-dir", envvar="MLFLOW_TMP_DIR", help="Where fetched data is kept.")
@store_option
def run(
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
    experiment_id: str | None,
    storage_dir: str | None,
) -> None:
    """Run a project, as `mlflow run --backend azureml` does, and start sooner."""
    if experiment_name is not None and experiment_id is not None:
        raise click.UsageError("Give --experiment-name or --experiment-id, not both.")
    config = config_from(backend_config)
    parameters = pairs(values, "--param-list")
    arguments = pairs(docker_args, "--docker-args", flags=True)
    with one_line_errors():
        import mlflow.projects

        mlflow.projects.run(
            project,
            entry_point,
            version,
            parameters=parameters,
            docker_args=arguments,
            experiment_name=experiment_name,
            experiment_id=experiment_id,
            backend="azureml",
            backend_config=config,
            env_manager=env_manager,
            storage_dir=storage_dir,
            synchronous=False,  # as `mlflow run` leaves it: the backend itself waits for the end
            run_name=run_name,
            build_image=build_image,
        )

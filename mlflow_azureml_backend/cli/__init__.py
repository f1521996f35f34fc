"""`mlflow-azureml`: follow and control runs, and the offline workspace emulator."""

from __future__ import annotations

import click

from mlflow_azureml_backend import __version__
from mlflow_azureml_backend.cli.about import completion, schema, version
from mlflow_azureml_backend.cli.doctor import doctor
from mlflow_azureml_backend.cli.downloading import download, open_
from mlflow_azureml_backend.cli.emulator import emulator
from mlflow_azureml_backend.cli.failures import Program
from mlflow_azureml_backend.cli.following import cancel, logs, status, wait
from mlflow_azureml_backend.cli.listing import list_
from mlflow_azureml_backend.cli.lock import lock
from mlflow_azureml_backend.cli.migrate import migrate
from mlflow_azureml_backend.cli.plugin import plugin
from mlflow_azureml_backend.cli.registering import register
from mlflow_azureml_backend.cli.render import render
from mlflow_azureml_backend.cli.running import run
from mlflow_azureml_backend.cli.showing import compare, show
from mlflow_azureml_backend.cli.tracking import env, tracking_uri


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mlflow-azureml")
def main() -> None:
    """MLflow Projects on Azure Machine Learning.

    Submit with `mlflow run … --backend azureml`, or `run`; what follows works with the MLflow run
    id that it prints, with the name of the Azure ML job, or with `latest`.
    """


for command in (
    run,
    *(logs, status, wait, cancel),
    *(list_, show, compare, download, open_, register),
    *(tracking_uri, env),
    *(doctor, schema, version, completion),
    *(render, migrate, lock, plugin, emulator),
):
    main.add_command(command)

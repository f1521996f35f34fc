"""`mlflow-azureml`: follow and control runs, and the offline workspace emulator."""

from __future__ import annotations

import click

from mlflow_azureml_backend import __version__
from mlflow_azureml_backend.cli.emulator import emulator
from mlflow_azureml_backend.cli.migrate import migrate
from mlflow_azureml_backend.cli.plugin import plugin
from mlflow_azureml_backend.cli.render import render
from mlflow_azureml_backend.cli.runs import cancel, logs, status, wait


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mlflow-azureml")
def main() -> None:
    """MLflow Projects on Azure Machine Learning.

    Submit with `mlflow run … --backend azureml`; what follows works with the MLflow run id that it
    prints.
    """


for command in (logs, status, wait, cancel, render, migrate, plugin, emulator):
    main.add_command(command)

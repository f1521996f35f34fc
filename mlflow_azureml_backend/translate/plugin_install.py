"""The plugin where pip alone cannot add it: beside what an image holds, or when the job starts.

Both ways look at what is installed, add what the plugin lacks, and install the plugin itself
without looking at its bounds: its MLflow is the one that is there.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from mlflow_azureml_backend.job import BuildSpec
from mlflow_azureml_backend.translate.command import shell_quote
from mlflow_azureml_backend.translate.plugin_releases import PLUGIN

if TYPE_CHECKING:
    from mlflow_azureml_backend.translate.plugin_releases import PluginRelease

_SCRIPT_NAME = "add_azureml_mlflow.py"
_ON_ARGUMENT = "ARG IMAGE\nFROM ${IMAGE}\n"
PYTHON = '"$(command -v python || command -v python3)"'

# Runs in whatever Python the image has, so it keeps to what 3.7 knows. Processes of one node share
# a folder, and the first of them installs for all.
_SCRIPT = """\
import os, subprocess, sys, tempfile
try:
    from importlib.metadata import PackageNotFoundError, version
except ImportError:
    from importlib_metadata import PackageNotFoundError, version
def there(name):
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False
def pip(*arguments):
    os.environ["PIP_ROOT_USER_ACTION"] = "ignore"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
               "--no-input"]
    status = subprocess.call(command + TARGET + list(arguments))
    if status:
        sys.exit(status)
def add():
    if there("azureml-mlflow"):
        return
    missing = [requirement for name, requirement in REQUIRES if not there(name)]
    if not there("mlflow") and not there("mlflow-skinny"):
        missing.append(MLFLOW)
    if missing:
        pip(*missing)
    pip("--no-deps", PLUGIN)
"""
_AT_BUILD = "TARGET = []\nadd()\n"
_AT_START = """\
folder = os.path.join(tempfile.gettempdir(), "azureml-mlflow")
TARGET = ["--target", folder]
os.makedirs(folder, exist_ok=True)
import fcntl
with open(folder + ".lock", "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    sys.path.insert(0, folder)
    add()
print(folder)
"""


def plugin_layer(plugin: PluginRelease, *, mlflow: str) -> BuildSpec:
    """Give the build context of an image that adds the plugin to another one.

    The image it is added to is the Dockerfile's argument `IMAGE`; it has to have Python and pip.

    Args:
        plugin: The release to add.
        mlflow: pip requirement of the MLflow for an image that has none.
    """
    dockerfile = (
        f"{_ON_ARGUMENT}COPY {_SCRIPT_NAME} /tmp/{_SCRIPT_NAME}\nRUN python /tmp/{_SCRIPT_NAME}\n"
    )
    script = _with_choices(plugin, mlflow) + _AT_BUILD
    return BuildSpec(files={"Dockerfile": dockerfile, _SCRIPT_NAME: script})


def on_image(layer: BuildSpec, image: str) -> BuildSpec:
    """Write the image into the layer's Dockerfile, for a builder that takes no arguments.

    Args:
        layer: The layer's build context.
        image: The image, by tag or digest.
    """
    text = layer.files[layer.dockerfile].replace(_ON_ARGUMENT, f"FROM {image}\n")
    return replace(layer, files={**layer.files, layer.dockerfile: text})


def with_plugin_at_start(command: str, plugin: PluginRelease, *, mlflow: str) -> str:
    """Give a command that installs the plugin into a folder of its own before another one runs.

    Args:
        command: The job's command.
        plugin: The release to install.
        mlflow: pip requirement of the MLflow for an environment that has none.
    """
    script = shell_quote(_with_choices(plugin, mlflow) + _AT_START)
    return (
        f"plugin=$({PYTHON} -c {script}) || "
        f"{{ echo '{PLUGIN} cannot be installed, by which the job logs to the workspace' >&2; "
        "exit 1; }\n"
        'export PYTHONPATH="$plugin${PYTHONPATH:+:$PYTHONPATH}"\n'
        f"{command}"
    )


def with_plugin_in_environment(command: str, plugin: PluginRelease, *, mlflow: str) -> str:
    """Give a command that adds the plugin to the environment it runs in, if that lacks it.

    Args:
        command: The project's command.
        plugin: The release to add.
        mlflow: pip requirement of the MLflow for an environment that has none.
    """
    script = shell_quote(_with_choices(plugin, mlflow) + _AT_BUILD)
    # In parentheses: what comes before it, such as an activation, may fail for reasons of its own.
    return (
        f"( {{ python -m pip --version || python -m ensurepip; }} >/dev/null 2>&1; "
        f"python -c {script} || {{ echo '{PLUGIN} cannot be installed, by which the project logs "
        "to the workspace' >&2; exit 1; } ) && "
        f"{{ {command}\n}}"
    )


def _with_choices(plugin: PluginRelease, mlflow: str) -> str:
    requires = [[Requirement(text).name, text] for text in plugin.requirements]
    return (
        f"{_SCRIPT}"
        f"PLUGIN = {json.dumps(f'{PLUGIN}=={plugin.version}')}\n"
        f"REQUIRES = {json.dumps(requires)}\n"
        f"MLFLOW = {json.dumps(mlflow)}\n"
    )

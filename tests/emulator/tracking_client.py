"""What a user's program does with azureml-mlflow; run by the tests in an environment of its own.

Prints one JSON document of what it saw. As a job it uses the run it was given, otherwise runs of
its own, signed in by a client secret as azure-ai-ml would hand it over.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient


def sign_in() -> None:
    """Give azureml-mlflow a credential, as azure-ai-ml does for a workspace's tracking URI."""
    from azure.identity import ClientSecretCredential
    from azureml.mlflow import get_mlflow_tracking_uri_v2

    class Workspace:
        ml_flow_tracking_uri = os.environ["MLFLOW_TRACKING_URI"]

    uri = get_mlflow_tracking_uri_v2(
        Workspace(),
        {
            "subscription_id": os.environ["AZUREML_ARM_SUBSCRIPTION"],
            "resource_group_name": os.environ["AZUREML_ARM_RESOURCEGROUP"],
            "workspace_name": os.environ["AZUREML_ARM_WORKSPACE_NAME"],
            "host_url": "https://" + Workspace.ml_flow_tracking_uri.split("/")[2],
            "auth": ClientSecretCredential(
                os.environ["AZURE_TENANT_ID"],
                os.environ["AZURE_CLIENT_ID"],
                os.environ["AZURE_CLIENT_SECRET"],
            ),
        },
    )
    mlflow.set_tracking_uri(uri)


def log_everything(seen: dict[str, object], folder: Path) -> str:
    """Log one of each kind; give the run's id."""
    run = mlflow.active_run()
    assert run is not None
    run_id = run.info.run_id
    mlflow.log_param("alpha", 0.5)
    mlflow.log_params({"text": "a=b; c", "empty": ""})
    for step in range(3):
        mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
    mlflow.log_metrics({"accuracy": 0.9, "later": 2.0})
    mlflow.set_tags({"team": "tests", "note": "späße"})
    mlflow.log_metric("queued", 7.0, synchronous=False).wait()

    file = folder / "notes.txt"
    file.write_text("first\n")
    mlflow.log_artifact(str(file))
    mlflow.log_artifact(str(file), "sub folder/deeper")
    tree = folder / "tree"
    (tree / "branch").mkdir(parents=True)
    (tree / "leaf.txt").write_text("leaf")
    (tree / "branch" / "empty.txt").write_text("")
    (tree / "branch" / "big.bin").write_bytes(bytes(range(256)) * 4096)
    mlflow.log_artifacts(str(tree), "tree")
    mlflow.log_text("one text", "texts/one.txt")
    mlflow.log_dict({"a": 1}, "texts/one.json")

    try:
        mlflow.log_artifact(str(file))
    except Exception as error:  # noqa: BLE001 - the plugin raises a bare Exception
        seen["conflict"] = str(error)

    client = MlflowClient()
    seen["root"] = sorted(info.path for info in client.list_artifacts(run_id))
    seen["tree"] = sorted(info.path for info in client.list_artifacts(run_id, "tree"))
    to = folder / "downloads"
    to.mkdir()
    got = Path(
        mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="tree", dst_path=to)
    )
    seen["downloaded"] = {
        path.relative_to(got).as_posix(): path.stat().st_size
        for path in sorted(got.rglob("*"))
        if path.is_file()
    }
    seen["text"] = mlflow.artifacts.load_text(f"runs:/{run_id}/texts/one.txt")
    try:
        mlflow.artifacts.load_text(f"runs:/{run_id}/texts/none.txt")
    except Exception as error:  # noqa: BLE001 - the plugin raises a bare Exception
        seen["missing"] = str(error)
    return run_id


def log_models(seen: dict[str, object]) -> None:
    """Log two models, load one, register one and load it from the registry."""
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
    other = LinearRegression().fit([[0.0], [1.0]], [0.0, 3.0])
    first = mlflow.sklearn.log_model(model, "model", pip_requirements=[])
    # Before MLflow 3 a model is a folder of the run's artifacts, and those are written once.
    again = "model" if mlflow.__version__ >= "3" else "other"
    mlflow.sklearn.log_model(other, again, pip_requirements=[])
    loaded = mlflow.pyfunc.load_model(first.model_uri)
    seen["prediction"] = round(float(loaded.predict([[2.0]])[0]), 6)

    version = mlflow.register_model(first.model_uri, "line", tags={"stage": "test"})
    client = MlflowClient()
    client.set_registered_model_alias("line", "best", version.version)
    client.set_model_version_tag("line", version.version, "checked", "yes")
    registered = client.get_model_version_by_alias("line", "best")
    seen["version"] = [registered.version, registered.tags.get("checked"), registered.run_id]
    best = mlflow.sklearn.load_model("models:/line@best")
    seen["registered_prediction"] = round(float(best.predict([[3.0]])[0]), 6)

    run_id = mlflow.active_run().info.run_id
    seen["by_run"] = mlflow.register_model(f"runs:/{run_id}/model", "by-run").status
    with tempfile.TemporaryDirectory() as folder:
        mlflow.sklearn.save_model(other, f"{folder}/saved", pip_requirements=[])
        local = mlflow.register_model(f"file://{folder}/saved", "line")
    loaded = mlflow.sklearn.load_model(f"models:/line/{local.version}")
    seen["local_prediction"] = round(float(loaded.predict([[1.0]])[0]), 6)


def on_its_own(seen: dict[str, object], folder: Path) -> None:
    """Do what a notebook does."""
    sign_in()
    mlflow.set_experiment("plugin")
    with mlflow.start_run(run_name="parent"):
        run_id = log_everything(seen, folder)
        with mlflow.start_run(run_name="child", nested=True) as child:
            mlflow.log_metric("loss", 0.1)
        log_models(seen)
    client = MlflowClient()
    run = client.get_run(run_id)
    seen["run"] = {
        "id": run_id,
        "status": run.info.status,
        "params": dict(run.data.params),
        "metrics": dict(run.data.metrics),
        "tags": {key: run.data.tags.get(key) for key in ("team", "note")},
    }
    seen["history"] = [metric.value for metric in client.get_metric_history(run_id, "loss")]
    found = mlflow.search_runs(
        experiment_names=["plugin"], filter_string="metrics.loss < 0.2", output_format="list"
    )
    seen["found"] = [run.info.run_id for run in found] == [child.info.run_id]
    seen["parent"] = client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == run_id
    try:
        client.get_run("0" * 32)
    except MlflowException as error:
        seen["no_run"] = error.error_code


def as_a_job(seen: dict[str, object], folder: Path) -> None:
    """Do what a training script does: everything comes from the environment."""
    with mlflow.start_run() as run:
        seen["job_run"] = run.info.run_id
        log_everything(seen, folder)
        log_models(seen)
    # The service ends the run of a job, not the script.
    seen["status"] = MlflowClient().get_run(run.info.run_id).info.status


def main() -> None:
    """Do it and tell."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    seen: dict[str, object] = {"mlflow": mlflow.__version__}
    with tempfile.TemporaryDirectory() as folder:
        as_job = "AZUREML_RUN_ID" in os.environ
        (as_a_job if as_job else on_its_own)(seen, Path(folder))
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()

"""Run the other entry points one after another, those whose results are there already left out."""

import argparse

import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--als-max-iter")
parser.add_argument("--keras-hidden-units")
parser.add_argument("--max-row-limit")
options = parser.parse_args()
client = mlflow.MlflowClient()


def found(entry_point, parameters, parent):
    """Find a run of this step with these parameters, of the same commit, that has finished."""
    commit = parent.data.tags.get("mlflow.source.git.commit")
    for run in client.search_runs([parent.info.experiment_id]):
        tags = run.data.tags
        if (
            tags.get("mlflow.project.entryPoint") == entry_point
            and tags.get("mlflow.source.git.commit") == commit
            and parameters.items() <= run.data.params.items()
            and run.info.status == "FINISHED"
        ):
            return run
    return None


def step(entry_point, parameters, parent, *, again=False):
    """Give the run of a step, found or made."""
    known = None if again else found(entry_point, parameters, parent)
    print(f"{entry_point}: {'found' if known else 'launched'}")
    if known:
        return known
    run = mlflow.run(".", entry_point, parameters=parameters, backend="azureml")
    return client.get_run(run.run_id)


with mlflow.start_run() as main:
    loaded = step("load_raw_data", {}, main)
    etl = step(
        "etl_data",
        {
            "ratings_csv": f"{loaded.info.artifact_uri}/ratings-csv-dir",
            "max_row_limit": options.max_row_limit,
        },
        main,
    )
    ratings = f"{etl.info.artifact_uri}/ratings-parquet-dir"
    als = step("als", {"ratings_data": ratings, "max_iter": options.als_max_iter}, main)
    trained = step(
        "train_keras",
        {
            "ratings_data": ratings,
            "als_model_uri": f"{als.info.artifact_uri}/als-model",
            "hidden_units": options.keras_hidden_units,
        },
        main,
        again=True,
    )
    mlflow.log_metric("test_mse", trained.data.metrics["test_mse"])

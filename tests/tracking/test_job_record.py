"""A run keeps the job that was submitted, where its store takes artifacts."""

import mlflow

from mlflow_azureml_backend.tracking import log_job


def test_the_job_is_an_artifact_of_the_run(run_id):
    log_job(run_id, "command: größer\n")
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/azureml/job.yml") == "command: größer\n"


def test_a_store_that_takes_no_artifacts_is_told_and_fails_nothing(client, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    experiment = client.create_experiment(
        "no place for artifacts", artifact_location=(tmp_path / "file").as_uri()
    )
    run_id = client.create_run(experiment).info.run_id
    log_job(run_id, "command: x\n")
    assert f"azureml/job.yml could not be logged to run '{run_id}'" in caplog.text

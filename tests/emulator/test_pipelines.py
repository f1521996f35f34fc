"""Pipelines as users of the unmodified azure-ai-ml write them: YAML files and functions."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from azure.ai.ml import Input, MLClient, Output, command, dsl, load_job
from azure.ai.ml.entities import Environment

from tests.emulator.test_control_client import IMAGE, Shown, client
from tests.emulator.test_control_jobs import job_names, mlflow_run

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.emulator.conftest import Ask, Jobs

__all__ = ["client"]  # a fixture

COMPONENT = """
name: count
display_name: Count
version: 3
type: command
inputs:
  data: {type: uri_folder}
  step: {type: integer, default: 3}
  more: {type: integer, optional: true}
outputs:
  counts: {type: uri_folder}
code: ./code
environment: {image: base}
command: >-
  bash count.sh ${{inputs.data}} ${{outputs.counts}} --step ${{inputs.step}}
  $[[--more ${{inputs.more}}]]
"""
PIPELINE = """
type: pipeline
experiment_name: trials
display_name: The whole
settings: {default_compute: azureml:cpu-cluster, force_rerun: true}
inputs:
  table: {type: uri_file, path: ./table.csv, mode: download}
  rate: 0.5
outputs:
  final: {type: uri_folder}
jobs:
  prepare:
    display_name: Prepare the data
    command: >-
      cp ${{inputs.table}} ${{outputs.rows}}/rows;
      echo "${{inputs.note}} $WHO" > ${{outputs.rows}}/note
    environment: {image: base}
    environment_variables: {WHO: me}
    inputs:
      table: ${{parent.inputs.table}}
      note: rate ${{parent.inputs.rate}}
    outputs:
      rows: {type: uri_folder, name: rows, version: "7"}
  aside:
    command: cat GATE; echo -n aside > ${{outputs.text}}
    environment: {image: base}
    outputs:
      text: {type: uri_file}
    resources: {instance_count: 1, shm_size: 3g}
    limits: {timeout: 60}
  count:
    component: file:./component.yml
    inputs:
      data: {path: "${{parent.jobs.prepare.outputs.rows}}", mode: ro_mount}
    outputs:
      counts: ${{parent.outputs.final}}
"""


def test_the_steps_of_a_yaml_file_hand_on_data_and_the_pipeline_is_streamed(
    client: MLClient,
    jobs: Jobs,
    ask: Ask,
    history: str,
    workspace: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "count.sh").write_text('cp $1/* $2; shift 2; echo "$@"')
    (tmp_path / "table.csv").write_text("a,b\n")
    (tmp_path / "component.yml").write_text(COMPONENT)
    (tmp_path / "job.yml").write_text(PIPELINE.replace("GATE", str(gate)))
    pipeline = client.jobs.create_or_update(load_job(tmp_path / "job.yml"))
    assert pipeline.status == "Preparing"
    # The step aside goes on when the client shows that the one before the last has ended.
    console = Shown("Submitting 1 runs", then=lambda: gate.write_text(""))
    monkeypatch.setattr(sys, "stdout", console)

    client.jobs.stream(pipeline.name)

    printed = console.getvalue()
    assert "Streaming logs/azureml/executionlogs.txt" in printed
    assert "Submitting 2 runs, first five are: " in printed
    assert "Finishing experiment: no runs left and nothing to schedule." in printed
    found = client.jobs.get(pipeline.name)
    assert (found.status, list(found.jobs)) == ("Completed", ["prepare", "aside", "count"])
    steps = {step.display_name: step for step in client.jobs.list(parent_job_name=pipeline.name)}
    assert {step.status for step in steps.values()} == {"Completed"}
    assert list(steps) == ["Prepare the data", "aside", "count"]
    assert job_names(ask("GET", "/jobs")) == [pipeline.name]
    # What each step has got and made.
    client.jobs.download(steps["count"].name, download_path=tmp_path / "run", output_name="counts")
    client.jobs.download(steps["count"].name, download_path=tmp_path / "run")
    made = tmp_path / "run" / "named-outputs" / "counts"
    assert (made / "rows").read_text() == "a,b\n"
    assert (made / "note").read_text() == "rate 0.5 me\n"
    log = tmp_path / "run" / "artifacts" / "user_logs" / "std_log.txt"
    assert log.read_text() == "--step 3\n"
    rows = client.data.get("rows", version="7")
    assert rows.path.endswith(f"/azureml/{steps['Prepare the data'].name}/rows/")
    # A later job reads the pipeline's own output.
    uri = f"azureml://jobs/{pipeline.name}/outputs/final/paths/note"
    later = jobs.run(
        "later",
        "grep 'rate 0.5' ${{inputs.note}}",
        inputs={"note": {"jobInputType": "uri_file", "uri": uri}},
    )
    assert later["status"] == "Completed"
    # Who belongs to whom.
    run = ask("GET", f"{history}/runs/{steps['count'].name}/details").json()
    assert (run["parentRunId"], run["rootRunId"]) == (pipeline.name, pipeline.name)
    assert run["properties"]["azureml.pipelinerunid"] == pipeline.name
    assert list(run["logFiles"]) == ["azureml-logs/20_image_build_log.txt", "user_logs/std_log.txt"]
    tags = {
        tag["key"]: tag["value"]
        for tag in mlflow_run(ask, workspace, steps["count"].name)["data"]["tags"]
    }
    assert (tags["mlflow.parentRunId"], tags["mlflow.runName"]) == (pipeline.name, "count")
    details = ask("GET", f"{history}/runs/{pipeline.name}/details").json()
    assert details["runTypeV2"]["orchestrator"] == "Pipeline"
    assert details["parameters"] == {"rate": "0.5"}
    assert set(details["outputs"]) == {"default", "final"}


def test_a_function_is_a_pipeline_and_what_is_wrong_with_it_is_told_before_it_runs(
    client: MLClient, ask: Ask
) -> None:
    say = command(
        name="say",
        command="echo ${{inputs.text}} > ${{outputs.said}}/text",
        inputs={"text": Input(type="string")},
        outputs={"said": Output(type="uri_folder")},
        environment=Environment(image=IMAGE),
    )
    hear = command(
        name="hear",
        command="cat ${{inputs.said}}/text",
        inputs={"said": Input(type="uri_folder")},
        environment=Environment(image=IMAGE),
    )

    client.components.create_or_update(say.component)
    registered = client.components.get("say", label="latest")
    assert [found.version for found in client.components.list(name="say")] == ["1"]

    @dsl.pipeline(default_compute="cpu-cluster")
    def talk(text="nothing"):  # type: ignore[no-untyped-def] (it reads annotations itself)
        spoken = registered(text=text)
        hear(said=spoken.outputs.said)
        return {"said": spoken.outputs.said}

    pipeline = client.jobs.create_or_update(talk(text="hello"), experiment_name="trials")
    sent = ask("GET", f"/jobs/{pipeline.name}").json()["properties"]

    def refusal(job: dict[str, Any]) -> str:
        answer = ask("PUT", "/jobs/other", {"properties": {**sent, "jobs": job}})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "UserError")
        return str(answer.json()["error"]["message"])

    speak, listen = sent["jobs"].values()
    assert speak["componentId"].endswith("/components/say/versions/1")
    bound = {"value": "${{parent.jobs.b.outputs.said}}", "job_input_type": "literal"}
    assert refusal({"a": {**listen, "inputs": {"said": bound}}}) == (
        "Invalid binding expression since the source componentJob b does not exist."
    )
    assert "source output port said of componentJob b" in refusal(
        {"a": {**listen, "inputs": {"said": bound}}, "b": listen}
    )
    assert "Only parent.inputs" in refusal(
        {"a": {**speak, "inputs": {"text": {"value": "${{parent.name}}"}}}}
    )
    assert "since input txt for component job a does not exist" in refusal(
        {"a": {**speak, "inputs": {"txt": {"value": "x"}}}}
    )
    assert "required input text" in refusal({"a": {**speak, "inputs": {}}})
    assert "only command" in refusal({"a": {"type": "sweep"}})
    gone = {**speak, "componentId": speak["componentId"].replace("/versions/", "/versions/0")}
    answer = ask("PUT", "/jobs/other", {"properties": {**sent, "jobs": {"a": gone}}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NotFound")
    assert ask("GET", "/jobs/other").status_code == 404

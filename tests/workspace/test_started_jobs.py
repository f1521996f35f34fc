"""A job and the jobs that it has started: child jobs, and cancelled with it."""

import uuid

from mlflow_azureml_backend.plan import plan_run


def test_the_jobs_that_a_job_has_started_are_cancelled_with_it(project, opened):
    (project / "MLproject").write_text("entry_points: {main: {command: sleep 600}}")

    def started(**config):
        name = f"job_{uuid.uuid4().hex[:8]}"
        plan = plan_run(
            str(project),
            version=None,
            entry_point="main",
            parameters={},
            backend_config={"environment": {"image": "ubuntu:22.04"}, **config},
            experiment_name="started",
            run_name=None,
        )
        opened.submit(plan.spec, name=name)
        return name

    parent = started()
    step = started(parent_job_name=parent)
    inner = started(parent_job_name=step)
    other = started()

    opened.cancel(parent)

    for name in (parent, step, inner):
        assert opened.details(name).status.value in {"CancelRequested", "Canceled"}
    assert opened.details(other).status.value not in {"CancelRequested", "Canceled"}
    url = f"{opened._connection.api}/history/v1.0{opened.ref.arm_id}/runs"
    [child] = opened._connection.json("GET", f"{url}/{parent}/children", doing="x")["value"]
    assert (child["runId"], child["parentRunId"]) == (step, parent)
    assert opened._connection.json("GET", f"{url}/{inner}", doing="x")["rootRunId"] == parent
    opened.cancel(other)

"""The same environment is created once and uploaded once, however its files spell it."""

from __future__ import annotations

import pytest

CONDA = """\
name: train
channels: [conda-forge]
dependencies:
  - python=3.11
  - numpy
  - pip
  - pip:
      - -r requirements.txt
      - mlflow==3.1.0
"""
REORDERED = """\
# What the training needs.
channels: [conda-forge]
dependencies:
  - pip
  - {pip: [mlflow==3.1.0, -r requirements.txt]}
  - numpy   # for the arrays
  - python=3.11
name: train
"""
MAIN = "entry_points: {main: {command: 'true'}}"
FILES = {
    "a conda file": {
        "MLproject": f"conda_env: conda.yaml\n{MAIN}",
        "conda.yaml": CONDA,
        "requirements.txt": "pandas==2.2.0\nsix\n",
    },
    "packages of the project": {
        "MLproject": f"conda_env: conda.yaml\n{MAIN}",
        "conda.yaml": CONDA,
        "requirements.txt": "-e ./lib\nsix\n",
        "lib/pyproject.toml": "[project]\nname = 'mine'\nversion = '1'\n",
    },
    "an image": {"MLproject": f"docker_env: {{image: train}}\n{MAIN}"},
}


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def submit(azureml_emulator, client, tmp_path):
    """Run the project of a folder; give the job's environment and what was uploaded for it."""
    import mlflow

    azureml_emulator.sign_in()
    project = tmp_path / "a project with späces"
    project.mkdir()

    def run(files):
        write(project, files)
        before = len(azureml_emulator.journal())
        submitted = mlflow.projects.run(
            str(project),
            backend="azureml",
            backend_config={**azureml_emulator.backend_config, "stream": False},
            experiment_name="sample",
            synchronous=False,
        )
        job = azureml_emulator.ml_client().jobs.get(submitted.job_name)
        submitted.cancel()
        uploaded = [
            entry.path
            for entry in azureml_emulator.journal()[before:]
            if entry.method == "PUT" and ".blob." in entry.host
        ]
        return job.environment, uploaded

    return run


@pytest.mark.parametrize("kind", FILES)
def test_the_same_project_again_uploads_nothing_and_has_the_same_environment(submit, kind):
    first, uploaded = submit(FILES[kind])
    assert uploaded
    assert submit(FILES[kind]) == (first, [])


def test_comments_and_order_are_no_other_environment_and_a_requirement_is(submit):
    first, _ = submit(FILES["a conda file"])
    spelled, _ = submit({"conda.yaml": REORDERED, "requirements.txt": "# two\nsix\npandas==2.2.0"})
    assert spelled == first
    changed, _ = submit({"requirements.txt": "six\npandas==2.2.1"})
    assert changed != first


def test_a_package_of_the_project_that_changes_is_another_environment(submit):
    first, _ = submit(FILES["packages of the project"])
    unrelated, uploaded = submit({"train.py": "print('hello')"})
    assert unrelated == first
    assert not any("LocalUpload" in path for path in uploaded)
    changed, _ = submit({"lib/mine.py": "x = 1"})
    assert changed != first

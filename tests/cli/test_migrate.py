"""`mlflow-azureml migrate` writes today's config and keeps the old one."""

import json

from click.testing import CliRunner

from mlflow_azureml_backend.cli import main

OLD = {"COMPUTE": "cpu-cluster", "USE_CONDA": "True", "STREAM_OUTPUT": "False", "tags": {"a": 1}}
NEW = {"tags": {"a": 1}, "compute": "cpu-cluster", "stream": False}


def migrate(*arguments):
    return CliRunner().invoke(main, ["migrate", *map(str, arguments)])


def test_the_file_is_rewritten_and_its_old_text_kept(tmp_path):
    file = tmp_path / "backend.json"
    file.write_text(json.dumps(OLD))
    result = migrate(file)
    assert result.exit_code == 0, result.output
    assert json.loads(file.read_text()) == NEW
    assert json.loads((tmp_path / "backend.legacy.json").read_text()) == OLD
    assert "COMPUTE is spelled compute today" in result.stderr


def test_another_file_can_be_written(tmp_path):
    file, other = tmp_path / "backend.json", tmp_path / "new.json"
    file.write_text(json.dumps(OLD))
    assert migrate(file, "-o", other).exit_code == 0
    assert json.loads(file.read_text()) == OLD
    assert json.loads(other.read_text()) == NEW


def test_a_config_of_today_is_left_alone(tmp_path):
    file = tmp_path / "backend.json"
    file.write_text(json.dumps(NEW))
    assert "already" in migrate(file).stderr
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_wrong_is_told_and_nothing_written(tmp_path):
    file = tmp_path / "backend.json"
    file.write_text('{"COMPUTE": "cpu", "computer": 1}')
    result = migrate(file)
    assert result.exit_code == 1
    assert "computer: unknown key. Did you mean 'compute'?" in result.output
    assert list(tmp_path.iterdir()) == [file]


def test_a_config_without_a_compute_gets_the_one_that_it_meant(tmp_path):
    file = tmp_path / "backend.json"
    file.write_text('{"USE_CONDA": "True"}')
    result = migrate(file)
    assert result.exit_code == 0, result.output
    assert json.loads(file.read_text()) == {"compute": "local"}
    assert "no COMPUTE meant this machine" in result.stderr

"""A model is registered once, whoever else completes the run at the same moment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlflow_azureml_backend.errors import TrackingError
from mlflow_azureml_backend.model_spec import ModelSpec, ModelVersion
from mlflow_azureml_backend.registration import register_model
from mlflow_azureml_backend.tracking.model_registry import wish_of, wish_tags

SPEC = ModelSpec(name="m", path="model", tags={"a": "é"}, alias="best")


class Registry:
    """A registry in memory, in which another process may be faster."""

    def __init__(self, rival_first: bool = False):
        self.rival_first = rival_first
        self.kept = []

    def lineage(self):
        return {"mlflow.source.git.commit": "c"}

    def versions(self, name=None):
        # As MLflow's search: without aliases.
        return [
            replace(version, aliases=()) for version in self.kept if name in {None, version.name}
        ]

    def create(self, name, path, tags):
        for _ in range(1 + self.rival_first):
            number = str(len(self.kept) + 1)
            self.kept.append(
                ModelVersion(
                    name=name, version=number, status="READY", source="s", run_id="r", tags=tags
                )
            )
        return self.kept[-1]

    def delete(self, version):
        self.kept.remove(version)

    def set_alias(self, version, alias):
        at = [known.version for known in self.kept].index(version.version)
        self.kept[at] = replace(self.kept[at], aliases=(alias,))

    def read(self, version):
        return next(known for known in self.kept if known.version == version.version)


@pytest.mark.parametrize("rival_first", [False, True])
def test_there_is_one_version_with_its_lineage_and_its_alias(rival_first):
    registry = Registry(rival_first)

    first = register_model(registry, SPEC, lineage={"azureml.job_name": "j"})
    again = register_model(registry, SPEC, lineage={})

    assert first == again == registry.kept[0]
    assert len(registry.kept) == 1
    assert first.aliases == ("best",)
    assert first.tags == {
        "mlflow.source.git.commit": "c",
        "azureml.job_name": "j",
        "azureml.model_path": "model",
        "a": "é",
    }


def test_another_path_of_the_run_is_another_version():
    registry = Registry()
    register_model(registry, SPEC, lineage={})

    assert register_model(registry, replace(SPEC, path="other"), lineage={}).version == "2"


def test_a_wish_survives_in_a_tag():
    assert wish_of(wish_tags(SPEC)) == SPEC
    assert wish_of(wish_tags(None)) is None
    for broken in ("{", "[]", '{"stage": "Production"}'):
        with pytest.raises(TrackingError, match="cannot be read"):
            wish_of({"azureml.register_model": broken})

"""Score the model of the step before, which is found by its URI."""

import argparse
import json
import pathlib

import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--ratings-data", type=pathlib.Path)
parser.add_argument("--als-model-uri")
parser.add_argument("--hidden-units", type=int)
options = parser.parse_args()
with mlflow.start_run():
    model = pathlib.Path(mlflow.artifacts.download_artifacts(options.als_model_uri))
    mean = json.loads((model / "model.json").read_text())["mean"]
    lines = (options.ratings_data / "ratings.jsonl").read_text().splitlines()
    errors = [(float(json.loads(line)["rating"]) - mean) ** 2 for line in lines]
    mlflow.log_metric("test_mse", sum(errors) / len(errors))

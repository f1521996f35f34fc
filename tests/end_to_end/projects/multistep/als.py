"""Fit a mean to the ratings, and log it as a model."""

import argparse
import json
import pathlib

import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--ratings-data", type=pathlib.Path)
parser.add_argument("--max-iter", type=int)
options = parser.parse_args()
with mlflow.start_run():
    lines = (options.ratings_data / "ratings.jsonl").read_text().splitlines()
    ratings = [float(json.loads(line)["rating"]) for line in lines]
    mlflow.log_dict({"mean": sum(ratings) / len(ratings)}, "als-model/model.json")
    mlflow.log_metric("iterations", options.max_iter)

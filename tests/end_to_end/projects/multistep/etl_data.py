"""Turn the ratings of a folder into lines of JSON."""

import argparse
import csv
import json
import pathlib

import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--ratings-csv", type=pathlib.Path)
parser.add_argument("--max-row-limit", type=int)
options = parser.parse_args()
with mlflow.start_run():
    [file] = options.ratings_csv.glob("*.csv")
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))[: options.max_row_limit]
    folder = pathlib.Path("ratings-parquet")
    folder.mkdir()
    (folder / "ratings.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    mlflow.log_metric("rows", len(rows))
    mlflow.log_artifacts(str(folder), "ratings-parquet-dir")

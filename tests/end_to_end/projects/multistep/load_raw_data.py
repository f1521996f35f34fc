"""Log some ratings as an artifact."""

import csv
import pathlib

import mlflow

with mlflow.start_run():
    file = pathlib.Path("ratings.csv")
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["user", "film", "rating"])
        writer.writerows(
            [user, film, (user * film) % 5] for user in range(20) for film in range(20)
        )
    mlflow.log_artifact(str(file), "ratings-csv-dir")

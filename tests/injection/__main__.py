"""Run the matrix on an emulator of its own, and write the page of the documentation."""

from __future__ import annotations

import argparse
import os
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from tests.injection.matrix import PAGE, PYTHONS, VERSIONS, run, table

HEAD = """# Injection matrix

What `azureml-mlflow` does beside each MLflow: a project that pins this MLflow and this Python is
built and run as a job on the emulator; it logs a param, a metric with three points, an artifact and
a model, and reads all of them back. Where that MLflow's own packages cannot be installed, the cell
says what their build said. `make matrix` runs it anew; this is its result of {date}.

"""


def main() -> None:
    """Run the chosen cells one after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mlflow", nargs="*", default=VERSIONS)
    parser.add_argument("--python", nargs="*", default=PYTHONS)
    parser.add_argument("--write", action="store_true", help=f"write docs/{PAGE.name}")
    chosen = parser.parse_args()
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    from mlflow_azureml_backend.emulator import lifecycle

    with tempfile.TemporaryDirectory() as temporary:
        os.environ["MLFLOW_AZUREML_EMULATOR_ROOT"] = temporary
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{temporary}/mlflow.db"
        lifecycle.start(Path(temporary), dwell_seconds=0, idle_seconds=3600)
        results = []
        try:
            for version in chosen.mlflow:
                for python in chosen.python:
                    result = run(version, python, {"workspace": "emulator"})
                    results.append(result)
                    print(f"{version:<8} {python:<5} {result.seconds:5.0f} s  {result.status}")
        finally:
            lifecycle.stop(Path(temporary))
    text = table(results)
    print(text)
    if chosen.write:
        date = datetime.now(timezone.utc).date().isoformat()
        PAGE.write_text(HEAD.format(date=date) + text, encoding="utf-8")


if __name__ == "__main__":
    main()

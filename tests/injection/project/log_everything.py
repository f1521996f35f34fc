"""Log one of each kind, and look whether it arrived."""

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel, load_model


class Doubled(PythonModel):
    """A model that needs nothing but MLflow."""

    def predict(self, context, model_input, params=None):
        return [2 * value for value in model_input["x"]]


with mlflow.start_run() as run:
    mlflow.log_param("alpha", 0.5)
    for step in range(3):
        mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
    mlflow.log_text("a note", "notes/note.txt")
    major = int(mlflow.__version__.split(".")[0])
    name = {"name": "model"} if major >= 3 else {"artifact_path": "model"}
    logged = mlflow.pyfunc.log_model(**name, python_model=Doubled(), pip_requirements=[])

client = mlflow.MlflowClient()
found = client.get_run(run.info.run_id)
assert found.data.params["alpha"] == "0.5", found.data.params
assert len(client.get_metric_history(run.info.run_id, "loss")) == 3
assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/notes/note.txt") == "a note"
assert list(load_model(logged.model_uri).predict(pd.DataFrame({"x": [1, 2]}))) == [2, 4]
print("mlflow", mlflow.__version__, "logged everything")

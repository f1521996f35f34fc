"""Fit an elastic net on scikit-learn's diabetes data and log everything to MLflow."""

import argparse
import warnings

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import mlflow
from mlflow.models import infer_signature
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from sklearn.model_selection import train_test_split


def main() -> None:
    """Train, evaluate, log."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--alpha", type=float, required=True)
    parser.add_argument("--l1-ratio", type=float, required=True)
    options = parser.parse_args()

    # Stopping early is the point of the loop below.
    warnings.simplefilter("ignore", ConvergenceWarning)
    features, target = load_diabetes(return_X_y=True, as_frame=True)
    x_train, x_test, y_train, y_test = train_test_split(features, target, random_state=7)
    print(f"{len(x_train)} patients to learn from, {len(x_test)} to test on", flush=True)

    with mlflow.start_run():
        mlflow.log_params({"alpha": options.alpha, "l1_ratio": options.l1_ratio})
        mlflow.set_tag("data", "diabetes")

        # The error along the way, as a metric with a history.
        for iterations in (1, 2, 5, 10, 20, 50, 100):
            model = ElasticNet(
                alpha=options.alpha, l1_ratio=options.l1_ratio, max_iter=iterations, tol=1e-9
            ).fit(x_train, y_train)
            error = mean_squared_error(y_test, model.predict(x_test)) ** 0.5
            mlflow.log_metric("rmse", error, step=iterations)
            print(f"after {iterations:3d} iterations: rmse {error:.3f}", flush=True)

        predicted = model.predict(x_test)
        mlflow.log_metrics(
            {"mae": mean_absolute_error(y_test, predicted), "r2": r2_score(y_test, predicted)}
        )

        figure, axes = plt.subplots()
        axes.scatter(y_test, predicted, s=12)
        axes.set(xlabel="measured", ylabel="predicted", title=f"alpha = {options.alpha}")
        mlflow.log_figure(figure, "predictions.png")

        signature = infer_signature(x_train, model.predict(x_train))
        mlflow.sklearn.log_model(model, "model", signature=signature)
    print("model logged", flush=True)


if __name__ == "__main__":
    main()

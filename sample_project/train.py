"""Fit an elastic net on scikit-learn's diabetes data and log everything to MLflow."""

import argparse

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import mlflow
from mlflow.models import infer_signature
from sklearn.datasets import load_diabetes
from sklearn.linear_model import SGDRegressor
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from sklearn.model_selection import train_test_split


def main() -> None:
    """Train, evaluate, log."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--alpha", type=float, required=True)
    parser.add_argument("--l1-ratio", type=float, required=True)
    options = parser.parse_args()

    # The columns of this data set have length one; the gradient wants variance one.
    features, target = load_diabetes(return_X_y=True, as_frame=True)
    features /= features.std()
    x_train, x_test, y_train, y_test = train_test_split(features, target, random_state=7)
    print(f"{len(x_train)} patients to learn from, {len(x_test)} to test on", flush=True)

    with mlflow.start_run():
        mlflow.log_params({"alpha": options.alpha, "l1_ratio": options.l1_ratio})
        mlflow.set_tag("data", "diabetes")

        model = SGDRegressor(
            penalty="elasticnet",
            alpha=options.alpha,
            l1_ratio=options.l1_ratio,
            learning_rate="constant",
            eta0=5e-4,
            random_state=7,
        )
        for epoch in range(1, 31):
            model.partial_fit(x_train, y_train)
            rmse = mean_squared_error(y_test, model.predict(x_test)) ** 0.5
            mlflow.log_metric("rmse", rmse, step=epoch)
            if epoch % 5 == 0:
                print(f"epoch {epoch:2d}: rmse {rmse:.2f}", flush=True)

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

"""Estimate the elastic net's error by cross-validation."""

import argparse

import mlflow
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet
from sklearn.model_selection import cross_val_score


def main() -> None:
    """Score every fold, log each and their mean."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--alpha", type=float, required=True)
    parser.add_argument("--folds", type=int, required=True)
    options = parser.parse_args()

    features, target = load_diabetes(return_X_y=True)
    scores = cross_val_score(
        ElasticNet(alpha=options.alpha), features, target, cv=options.folds, scoring="r2"
    )
    with mlflow.start_run():
        for fold, score in enumerate(scores):
            print(f"fold {fold}: r2 {score:.3f}", flush=True)
            mlflow.log_metric("fold_r2", score, step=fold)
        mlflow.log_metric("mean_r2", scores.mean())


if __name__ == "__main__":
    main()

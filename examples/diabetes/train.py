"""Trains two models that answer differently, so that one can take over from the other.

models/blue/model.pkl is a ridge regression, models/green/model.pkl a gradient boosting.
Both are the same on every run. The data comes with scikit-learn.
"""

import json
import os

import joblib
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import Ridge

MODELS = {
    "blue": Ridge(alpha=0.5),
    "green": GradientBoostingRegressor(n_estimators=40, max_depth=3, random_state=42),
}


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "sample.json")) as f:
        sample = json.load(f)["data"]
    features, target = load_diabetes(return_X_y=True)
    for version, model in MODELS.items():
        model.fit(features, target)
        folder = os.path.join(here, "models", version)
        os.makedirs(folder, exist_ok=True)
        joblib.dump(model, os.path.join(folder, "model.pkl"))
        answer = [round(float(y), 3) for y in model.predict(sample)]
        print(f"{version}: {json.dumps({'prediction': answer, 'model': type(model).__name__})}")


if __name__ == "__main__":
    main()

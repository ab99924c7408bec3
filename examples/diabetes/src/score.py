import json
import os

import joblib
import numpy as np


def init():
    global model
    path = os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl")
    model = joblib.load(path)


def run(data):
    rows = np.array(json.loads(data)["data"])
    return {
        "prediction": [round(float(y), 3) for y in model.predict(rows)],
        "model": type(model).__name__,
    }

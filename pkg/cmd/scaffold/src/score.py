"""Answers requests: init() runs once, when a replica starts, run() for each request."""
import json
import os


def init():
    global model
    folder = os.environ.get("AZUREML_MODEL_DIR")
    # Load your model from this folder, with joblib.load for example. Without one, rows are added up.
    model = sum
    print(f"the model folder is {folder}")


def run(data):
    rows = json.loads(data)["data"]
    return {"prediction": [model(row) for row in rows]}

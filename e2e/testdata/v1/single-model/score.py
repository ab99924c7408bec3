# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
import json
import os
import sys
import tempfile


def init():
    global model
    path = os.path.join(os.getenv("AZUREML_MODEL_DIR"), "model.json")
    with open(path) as file:
        model = json.load(file)


def run(raw_data):
    data = json.loads(raw_data)
    if "file" in data:
        with open(data["file"]) as file:
            return file.read()
    if "variables" in data:
        return {name: os.environ.get(name) for name in data["variables"]}
    if "place" in data:
        with tempfile.TemporaryFile(dir=os.environ["HOME"]) as file:
            file.write(b"HOME can be written to")
        return {"cwd": os.getcwd(), "home": os.environ["HOME"], "user": os.getuid(), "path": sys.path}
    return [model["slope"] * x + model["intercept"] for x in data["data"]]

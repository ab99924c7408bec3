# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
import json
import os


def init():
    global models
    # The folder as it was in Azure ML's own containers: relative to the working directory.
    root = os.path.join("azureml-models", "mymodel")
    models = {}
    for version in sorted(os.listdir(root)):
        with open(os.path.join(root, version, "model.json")) as file:
            models[version] = json.load(file)


def run(data):
    x = json.loads(data)["x"]
    return {version: model["factor"] * x for version, model in models.items()}

# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
import json

from azureml.core.model import Model


def init():
    global latest, older
    with open(Model.get_model_path("mymodel")) as file:
        latest = json.load(file)
    with open(Model.get_model_path(model_name="mymodel", version=9)) as file:
        older = json.load(file)


def run(raw_data):
    x = json.loads(raw_data)["x"]
    return {"latest": latest["factor"] * x, "older": older["factor"] * x, "path": Model.get_model_path("mymodel")}

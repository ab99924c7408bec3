# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
import json
import os


def init():
    global model
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.json")) as file:
        model = json.load(file)


def run(raw_data):
    try:
        return json.dumps({"result": [x * model["factor"] for x in json.loads(raw_data)["data"]]})
    except Exception as ex:
        return json.dumps({"error": str(ex)})

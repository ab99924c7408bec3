# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
"""A model whose answers tell which model it is, and that does as it is told."""
import json
import os
import pathlib
import time


def init():
    global name
    folder = pathlib.Path(os.environ["AZUREML_MODEL_DIR"])
    name = next(folder.glob("*")).read_text().strip()
    print(f"model {name} is loaded")
    if name == "slow":
        time.sleep(15)
    if name == "broken":
        raise RuntimeError("the model file is damaged")


def run(data):
    request = json.loads(data)
    if name == "stuck":
        print("model stuck was asked", flush=True)
        time.sleep(30)
    time.sleep(request.get("sleep", 0))
    if request.get("fail"):
        raise ValueError("told to fail")
    return {"model": name}

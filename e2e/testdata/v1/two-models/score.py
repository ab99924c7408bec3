# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
import json
import os


def load(*parts):
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], *parts)) as file:
        return json.load(file)


def init():
    global celsius, kelvin
    celsius = load("celsius", "1", "celsius.json")
    kelvin = load("kelvin", "3", "kelvin.json")


def run(data):
    fahrenheit = json.loads(data)["fahrenheit"]
    warm = (fahrenheit - celsius["offset"]) * celsius["factor"]
    return {"celsius": warm, "kelvin": warm + kelvin["offset"]}

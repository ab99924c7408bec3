# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
import json
import os


def init():
    global words, weights
    folder = os.path.join(os.getenv("AZUREML_MODEL_DIR"), "sentiment")
    with open(os.path.join(folder, "vocabulary", "words.txt")) as file:
        words = file.read().split()
    with open(os.path.join(folder, "weights.json")) as file:
        weights = json.load(file)


def run(data):
    text = json.loads(data)["text"]
    return sum(weights[words.index(word)] for word in text.split() if word in words)

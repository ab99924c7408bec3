# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
"""Tells which model it has, where, and whether it could write to it."""
import os
import pathlib

ANSWER = "I have %s in %s, which is %s."


def init():
    global model, folder, kind
    folder = pathlib.Path(os.environ["AZUREML_MODEL_DIR"])
    model = (folder / "sky.txt").read_text().strip()
    try:
        (folder / "note.txt").write_text("mine")
        kind = "mine to write"
    except OSError:
        kind = "read-only"


def run(data):
    return ANSWER % (model, folder, kind)

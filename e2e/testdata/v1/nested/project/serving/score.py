# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
import json
import os
from time import sleep

from shapes.area import area


def init():
    # Longer than a replica gets without a startup probe, with the liveness probe of the deployment config.
    sleep(json.loads(os.environ["EXAMPLE_INIT_SECONDS"]))


def run(data):
    data = json.loads(data)
    sleep(data.get("seconds", 0))
    return {"area": area(data["side"]), "script": os.environ["AZUREML_ENTRY_SCRIPT"]}

# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
import json
import os

import features
from preparing.scale import scale


def init():
    global names
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "names.txt")) as file:
        names = file.read().split()


def run(data, request_headers):
    row = scale(features.row(json.loads(data)))
    return {"row": dict(zip(names, row)), "caller": request_headers.get("X-Caller")}

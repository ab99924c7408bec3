# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
import json

from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse


def init():
    print("This is init()")


@rawhttp
def run(request):
    status = int(request.args.get("status", 200))
    if "raise" in request.args:
        raise ValueError("told to fail")
    if request.method == "GET":
        return AMLResponse({"query": request.args}, status, json_str=True)
    if request.method == "POST":
        if request.form:
            return AMLResponse(json.dumps(request.form), status, {"Content-Type": "application/json"})
        body = request.get_data(False)
        told = {"X-Length": str(len(body)), "X-Sum": str(sum(body)), "X-Caller": request.headers.get("X-Caller", ""),
                "Content-Type": "application/octet-stream"}
        return AMLResponse(body[::-1], status, told)
    return AMLResponse("bad request", 405)

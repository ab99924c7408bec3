# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
"""Answers what azureml-core makes of a file: one JSON object a line, asked on stdin, answered on stdout.

The code that reads and checks is Microsoft's own. Replaced are only the network, which refuses, the upload of
packed files, which does nothing, and the two modules of the Azure CLI that its file parsing imports by the way.
"""
import contextlib
import datetime
import json
import logging
import math
import os
import socket
import sys
import types
import warnings


def forbid_network(*_, **__):
    raise OSError("the network is not to be used")


def stub_azure_cli():
    """Makes importable what azureml.contrib._mircli._util imports of the Azure CLI, to log in with."""
    for name in ("azure.cli", "azure.cli.core", "azure.cli.core._profile", "azure.cli.core.util"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["azure.cli.core._profile"].Profile = object
    sys.modules["azure.cli.core.util"].CLIError = type("CLIError", (Exception,), {})


socket.socket.connect = forbid_network
socket.getaddrinfo = forbid_network
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
stub_azure_cli()

import pathspec  # noqa: E402
from azureml.core import model  # noqa: E402
from azureml.core.environment import DEFAULT_CPU_IMAGE, DEFAULT_GPU_IMAGE, Environment  # noqa: E402
from azureml.contrib._mircli import _util as cli  # noqa: E402
from azureml._model_management import _util as management  # noqa: E402

SERVICE = "service"

model.upload_dependency = lambda workspace, path, *_, **__: ("", os.path.basename(path))
model.wrap_execution_script_with_source_directory = lambda *_: "main.py"


def plain(value):
    """What JSON can hold of a value. A value that it cannot hold becomes {"$type": text}."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, dict):
        return {key if isinstance(key, str) else "$" + str(key): plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (datetime.date, bytes, set)):
        return {"$" + type(value).__name__: str(value)}
    return {"$" + type(value).__name__: plain(vars(value)) if hasattr(value, "__dict__") else str(value)}


def causes(error):
    """The chain of an exception, the outermost first."""
    found = []
    while error is not None and len(found) < 10:
        found.append("{}: {}".format(type(error).__name__, getattr(error, "message", None) or error))
        error = getattr(error, "content", None) or error.__cause__ or (
            None if error.__suppress_context__ else error.__context__)
        if not isinstance(error, BaseException):
            break
    return found


def document(path):
    with open(path) as stream:
        return cli.file_stream_to_object(stream)


def deployment(path):
    """The request for a service, as section "deploy" of the CLI makes it from a file."""
    config = management.deploy_config_dict_to_obj(document(path), None, None, None)
    kind = config._webservice_type._webservice_type
    if kind == "Local":
        return {"computeType": kind, "port": config.port}
    given_name = getattr(config, "version_name", None)
    request = config._build_create_payload(SERVICE, None)
    if kind == "AKSENDPOINT":
        (version,) = request.pop("versions").values()
        for key, value in request.items():
            if key in version and key not in ("name", "computeType") and version[key] != value:
                raise AssertionError("endpoint and version differ in " + key)
        request = dict(version, **{"computeType": kind, "versionName": given_name, "keys": request["keys"]})
    elif getattr(config, "compute_target_name", None):
        request["computeName"] = config.compute_target_name
    request.pop("properties")
    request.pop("name")
    return request


def inference(path):
    """What travels for an inference config, as section "deploy" of the CLI makes it from a file."""
    read = cli.file_to_inference_config(None, path, None)
    read = cli.params_to_inference_config(None, None, None, None, None, None, None, None, None, None, read)
    config, as_environment = management.convert_parts_to_environment(SERVICE, read)
    folder, script = config._get_entry_script_path()
    # A class, and without content, if the file has none.
    registry = read.base_image_registry
    made = {
        "AZUREML_ENTRY_SCRIPT": os.path.join(folder, script),
        "AZUREML_SOURCE_DIRECTORY": folder or None,
        "directory": config.source_directory,
        "script": joined(config, config.entry_script),
        "environment": None,
        "old": {
            "form": "image" if not as_environment else "environment" if config is not read else None,
            "base": base_image(read, config) if config is not read else None,
            "runtime": read.runtime, "condaFile": joined(read, read.conda_file),
            "extraDockerfileSteps": joined(read, read.extra_docker_file_steps), "enableGpu": read.enable_gpu,
            "cudaVersion": read.cuda_version, "baseImage": read.base_image,
            "baseImageRegistry": registry if isinstance(registry, dict) else None,
        },
    }
    if not as_environment:
        return made
    request = config._build_environment_image_request(None, [])
    if request.get("environment") is not None and config is read:
        made["environment"] = serialised(config.environment)
        variables = made["environment"].get("environmentVariables") or {}
        for name in ("AZUREML_ENTRY_SCRIPT", "AZUREML_SOURCE_DIRECTORY"):
            if made[name] is not None and variables.pop(name, None) != made[name]:
                raise AssertionError("the environment has another " + name)
    return made


def base_image(read, config):
    """The kind of base image that an old file was given: the images themselves are those of a release."""
    image = config.environment.docker.base_image
    if read.base_image and image == read.base_image:
        return "own"
    kinds = {DEFAULT_CPU_IMAGE: "cpu", DEFAULT_GPU_IMAGE: "gpu", management.CUDA_9_BASE_IMAGE: "cuda 9.0"}
    return kinds[image]


def joined(config, path):
    path = management.joinPath(config.source_directory, path)
    return os.path.abspath(path) if path else path


def serialised(environment):
    return json.loads(json.dumps(plain(Environment._serialize_to_dict(environment))))


def environment(path):
    """The environment that a folder describes, if it can be deployed with."""
    read = Environment.load_from_directory(path)
    model.InferenceConfig("score.py", environment=read)
    return serialised(read)


def ignored(lines, paths):
    """The indexes of the paths that the lines of an ignore file leave out."""
    spec = pathspec.PathSpec.from_lines("gitwildmatch", lines)
    return [i for i, path in enumerate(paths) if spec.match_file(path)]


def answer(question):
    kind = question["kind"]
    if kind == "ignore":
        return {"config": {"leftOut": ignored(question["lines"], question["paths"])}}
    read = {"deployment": deployment, "inference": inference, "environment": environment}[kind]
    return {"config": plain(read(question["file"]))}


def reply_to(question):
    reply = {}
    try:
        if "dir" in question:
            os.chdir(question["dir"])
        if question["kind"] in ("deployment", "inference"):
            with contextlib.suppress(Exception):
                reply["document"] = plain(document(question["file"]))
                reply["readable"] = True
        reply.update(answer(question))
    except Exception as error:
        reply["refused"] = causes(error)
    return reply


def main():
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        answers.write(json.dumps(reply_to(json.loads(line))) + "\n")
        answers.flush()


main()

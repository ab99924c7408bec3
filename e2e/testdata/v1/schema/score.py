# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
import json
import os

import numpy as np
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema


def init():
    global model
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.json")) as file:
        model = np.array(json.load(file))


input_sample = np.array([[1.0, 2.0, 3.0]])
output_sample = np.array([14.0])


@input_schema("data", NumpyParameterType(input_sample))
@input_schema("method", StandardPythonParameterType("sum"))
@output_schema(NumpyParameterType(output_sample))
def run(data, method="sum"):
    if method != "sum":
        raise ValueError("unknown method " + method)
    return data.dot(model).tolist()

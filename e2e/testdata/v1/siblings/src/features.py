# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors


def row(data):
    return [data["height"], data["width"]]

# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors


def area(side):
    return side * side

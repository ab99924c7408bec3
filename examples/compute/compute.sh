#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
#
# The cluster of the current context as a compute: from its attachment to its end.
set -eu
name=${1:-lab}
cd "$(dirname "$0")/../diabetes"

# DevTest takes any cluster. FastProd, the default, needs 12 vCPUs and 3 nodes.
kubectl aml compute attach kubernetes -n "$name" --cluster-purpose DevTest
trap 'kubectl aml compute detach -n "$name" --force' EXIT

# Everything that a deploy will need. Ends with 1 if something is missing.
kubectl aml compute check "$name"
kubectl aml compute show "$name" -o name

# The compute's context leads to its cluster and its namespace.
kubectl aml deploy diabetes --context "$name" --version-name blue -m diabetes:1=models/blue/model.pkl \
    --inference-config inferenceconfig.json --deploy-config deploymentconfig.json
kubectl aml invoke diabetes --context "$name" -d @sample.json
kubectl aml delete endpoint diabetes --context "$name"

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
#
# From a conda file to a served model: what is built, where it is kept, and what is in it. Arguments go to the build.
set -eu
registry=${AML_REGISTRY:-layout.localhost} # that is a folder of this machine

# The Dockerfile that stands for conda.yml, and the image that is built of it, once.
kubectl aml build --inference-config inferenceconfig.json --dry-run
kubectl aml build --inference-config inferenceconfig.json "$@"

# Code and model are layers upon it. The environment is found: from here on, nothing is built.
kubectl aml model register --name words --model-path words.txt --query id -o tsv
kubectl aml deploy words -m words:1 --inference-config inferenceconfig.json
kubectl aml invoke words -d '{"text": "a fine day"}'

# The packages of Python and Debian that it runs with.
kubectl aml sbom words > words.cdx.json

# A model is an artifact that other tools read, and one that they have pushed is deployed. This is the same one.
kubectl aml deploy words -m "words=oci://$registry/models/words:1" --inference-config inferenceconfig.json

# The image without an endpoint, by its digest; and what it is made of, as a folder for docker build.
kubectl aml model package -m words:1 --ic inferenceconfig.json --query location -o tsv
kubectl aml model package -m words:1 --ic inferenceconfig.json --output-path context --query location -o tsv

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
#
# An endpoint goes to a cluster with no way out, in one file. AML_REGISTRY is the registry here, SITE_REGISTRY one that
# the other cluster pulls from, and SITE_KUBECONFIG the way to that cluster.
set -eu
: "${SITE_REGISTRY:?} ${SITE_KUBECONFIG:?}"
body='{"text": "a fine day"}'

# Here: deploy, and write what runs into a file.
kubectl aml deploy moods --version-name blue -m mood=sky.txt \
    --inference-config inferenceconfig.json --deploy-config deploymentconfig.json
kubectl aml invoke moods -d "$body"
kubectl aml sbom moods > here.cdx.json
kubectl aml bundle create moods --file moods.aml.tar
kubectl aml bundle show moods.aml.tar
kubectl aml delete endpoint moods

# There: the file is all that came. It is checked, its images are pushed, and the endpoint is made.
export KUBECONFIG="$SITE_KUBECONFIG"
kubectl aml bundle load moods.aml.tar --registry "$SITE_REGISTRY" --dry-run server
kubectl aml bundle load moods.aml.tar --registry "$SITE_REGISTRY"
kubectl aml invoke moods -d "$body"

# The packages that it runs with are known there, too.
kubectl aml sbom moods > there.cdx.json
cmp here.cdx.json there.cdx.json

# The same for those who go on with Helm or GitOps: the values, with every image where it is now.
kubectl aml bundle load moods.aml.tar --registry "$SITE_REGISTRY" --push-only > values.yaml

#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
#
# A new version of a model, from its first request to the day the old one goes.
set -eu
deploy() {
    version=$1 model=$2
    shift 2
    kubectl aml deploy moods --version-name "$version" -m "mood=$model" \
        --inference-config inferenceconfig.json --deploy-config deploymentconfig.json "$@"
}
body='{"text": "a fine day"}'

# The first version is the default: it gets everything.
deploy blue sky.txt
kubectl aml invoke moods -d "$body"

# The second one gets nothing yet. Whoever names it can try it.
deploy green grass.txt
kubectl aml invoke moods --version green -d "$body"

# One request in five, then all of them. Blue goes when green has served for some seconds; in earnest, write 1h.
kubectl aml traffic set moods green=20
kubectl aml scale moods --version-name green --replicas 2
kubectl aml promote moods green --retire-after 5s
kubectl aml invoke moods -d "$body"

# New pods, new limits: one by one, and no request is lost.
kubectl aml restart moods
kubectl aml update moods --scoring-timeout-ms 30000
kubectl aml traffic get moods

kubectl aml delete endpoint moods

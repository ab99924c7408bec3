#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
#
# What a team had in its pipeline for Azure ML v1: register a model, deploy it, call it, change it, renew its key, take
# it away. Replace "az ml" by "kubectl aml", and nothing else.
set -eu
az ml model register -n sentiment -p model.txt --tag stage=trial --property run=17 -g research -w experiments
az ml model list -n sentiment --query "[].{id:id,stage:tags.stage}" -o tsv

az ml model deploy -n moods -m sentiment:1 -ct myaks -ic inferenceconfig.json -dc deploymentconfig.json \
    --tag team=vision --description "is it good or bad?"
uri=$(az ml service show -n moods --query scoringUri -o tsv)
key=$(az ml service get-keys -n moods --query primaryKey -o tsv)
call() {
    curl -sS --max-time 30 -o answer.txt -w '%{http_code} ' \
        -H "Authorization: Bearer $1" -H 'Content-Type: application/json' -d '{"text": "a fine day"}' "$uri"
    cat answer.txt && echo
}
# The nodes open the port of a new endpoint within a second or two.
curl -sS --max-time 30 --retry 10 --retry-delay 1 --retry-connrefused -o answer.txt "$uri"
call "$key"
az ml service run -n moods -d '{"text": "a fine day"}'

az ml model register -n sentiment -p better.txt
az ml service update -n moods -m sentiment:2 -ic inferenceconfig.json --nr 2 --add-tag stage=final
az ml service show -n moods -v -o tsv \
    --query "[[state, to_string(numReplicas), tags.team, tags.stage, description, computeType, to_string(authEnabled)]]"
call "$key"

az ml service regen-key -n moods -k Primary
call "$key"
new=$(az ml service get-keys -n moods --query primaryKey -o tsv)
test "$new" != "$key"
call "$new"
az ml service list --query "[].name" -o tsv

az ml service delete -n moods
az ml service list --query "length(@)" -o tsv

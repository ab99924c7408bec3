#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright The kubectl-aml Authors
#
# A model that is mounted into its container instead of being in the image.
set -eu

# Once it is registered, its files are not needed here any more.
kubectl aml model register --name mood --model-path sky.txt --query id -o tsv
kubectl aml deploy moods --entry-script score.py -m mood:1 --model-mount volume
kubectl aml invoke moods -d '{}'

# New code for the same model: the model stays as it is, mounted.
sed 's/I have/I still have/' score.py > new.py
kubectl aml update moods --entry-script new.py
kubectl aml invoke moods -d '{}'

# The same layers in the image, for clusters that mount no images: the container is the same to the script.
kubectl aml update moods --entry-script new.py --model-mount image
kubectl aml invoke moods -d '{}'

kubectl aml delete endpoint moods

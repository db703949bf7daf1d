#!/bin/sh
# An external generator and simulation that speak HepMC3. Programs run in the campaign's folder: they are put there.
#     sh examples/campaign/external/run.sh FOLDER [EVENTS]
set -eu
folder=$1
events=${2:-2000}
here=$(dirname "$0")
smartbkg campaign init "$folder" --from "$here/campaign.yaml" --events "$events"
cp "$here/generator.py" "$here/simulation.py" "$folder"
smartbkg campaign plan "$folder"
smartbkg campaign run "$folder"
smartbkg campaign report "$folder"
smartbkg campaign merge "$folder" --output "$folder/kept.hepmc3.gz"

#!/bin/sh
# The embedded chain: generate, filter, simulate and skim B0 pairs in chunks, on the cores of this machine.
#     sh examples/campaign/embedded/run.sh FOLDER [EVENTS]
set -eu
folder=$1
events=${2:-20000}
smartbkg campaign init "$folder" --process mixed --process charged --events "$events" --chunk-events 2500 --seed 7 \
    --set outputs.ntuple=true
smartbkg campaign plan "$folder"
smartbkg campaign run "$folder" --workers 2 --page "$folder/status.html"
smartbkg campaign report "$folder"
smartbkg campaign merge "$folder" --output "$folder/kept.parquet"
smartbkg campaign merge "$folder" --output "$folder/candidates.root"

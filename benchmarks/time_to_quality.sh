#!/usr/bin/env bash
# BLEU on Multi30k within a time budget that includes everything: tokenizer, data, training, checkpoint averaging, scoring.
# Usage: NMT_CORPORA=folder-with-multi30k benchmarks/time_to_quality.sh MINUTES [SOURCE TARGET [RUN]]     (default: en de)
set -euo pipefail
minutes=$1 source=${2:-en} target=${3:-de} run=${4:-quality-$1-${2:-en}-${3:-de}}
data=$NMT_CORPORA/multi30k/raw

echo "$(date -u +%F), $(uname -m), $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)"
python3 -c 'import nmt, torch; print("nmt", nmt.__version__, "torch", torch.__version__)'
started=$SECONDS
nmt tokenizer train "$data/train.$source" "$data/train.$target" --run "$run"
nmt prepare "$data/train.$source" "$data/train.$target" --valid "$data/val.$source" "$data/val.$target" \
    --test "$data/test_2016_flickr.$source" "$data/test_2016_flickr.$target" --run "$run"
# --minutes does not count the speed measurement before training, nor checkpoint averaging and scoring after it
left=$(python3 -c "print(round($minutes - 0.8 - ($SECONDS - $started) / 60, 2))")
nmt train --run "$run" --minutes "$left"
nmt eval --run "$run" --beam 5 --length-penalty 1.5
echo "in all: $((SECONDS - started)) seconds of $((60 * minutes))"

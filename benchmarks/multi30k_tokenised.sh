#!/usr/bin/env bash
# Multi30k as in the literature: lower-cased tokenized files, a model of Transformer-Tiny's size (Wu et al. 2021, 41.02 BLEU).
# Usage: NMT_CORPORA=folder-with-multi30k benchmarks/multi30k_tokenised.sh [SEED [RUN]]     (default seed: 1; two hours on one core)
set -euo pipefail
seed=${1:-1} run=${2:-multi30k-tokenised-${1:-1}}
data=$NMT_CORPORA/multi30k/tok

echo "$(date -u +%F), $(uname -m), $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)"
python3 -c 'import nmt, torch; print("nmt", nmt.__version__, "torch", torch.__version__)'
nmt tokenizer train "$data/train.en" "$data/train.de" --vocab-size 8000 --run "$run"
nmt prepare "$data/train.en" "$data/train.de" --valid "$data/val.en" "$data/val.de" \
    --test "$data/test_2016_flickr.en" "$data/test_2016_flickr.de" --run "$run"
nmt train --run "$run" --preset tiny --optimizer adam --dropout 0.3 --batch-tokens 2048 --learning-rate 3e-3 --warmup 1000 --schedule linear \
    --decay-start 0.2 --steps 20000 --average 10 --validate-every 2000 --save-every 400 --patience 0 --seed "$seed" --threads 1
nmt average --run "$run" --last 10 --output "$run/average"
nmt eval --run "$run" --model "$run/average" --beam 5 --tokenize none

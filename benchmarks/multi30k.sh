#!/usr/bin/env bash
# Train on Multi30k and score test_2016_flickr: the commands for the README's results table.
# Usage: NMT_CORPORA=folder-with-multi30k benchmarks/multi30k.sh [SOURCE TARGET [RUN]]     (default: en de)
set -euo pipefail
source=${1:-en} target=${2:-de} run=${3:-multi30k-${1:-en}-${2:-de}}
data=$NMT_CORPORA/multi30k/raw

echo "$(date -u +%F), $(uname -m), $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)"
python3 -c 'import nmt, sentencepiece, sacrebleu, torch; print("nmt", nmt.__version__, "torch", torch.__version__)'
started=$SECONDS
nmt tokenizer train "$data/train.$source" "$data/train.$target" --vocab-size 8000 --run "$run"
nmt prepare "$data/train.$source" "$data/train.$target" --valid "$data/val.$source" "$data/val.$target" \
    --test "$data/test_2016_flickr.$source" "$data/test_2016_flickr.$target" --run "$run"
echo "tokenizer and data: $((SECONDS - started)) seconds"
started=$SECONDS
nmt train --run "$run" --preset small --optimizer adam --feed-forward 512 --dropout 0.15 --batch-tokens 1024 --learning-rate 1.5e-3 --schedule linear \
    --decay-start 0.2 --steps 6500 --minutes 20 --validate-every 3250 --save-every 160
echo "training: $((SECONDS - started)) seconds"
for beam in 1 5; do
    echo "beam $beam"
    nmt eval --run "$run" --beam $beam --length-penalty 1.5
done

#!/usr/bin/env bash
# The recipes of docs/recipes.md, with the scores before and after each. The stages, in their order, on Multi30k:
#   plain          two models English to German, and one of the other direction
#   diversify      a model of the pairs and of their translations by the three
#   distill        the pairs' translations by an ensemble of these
#   student        a fast student of the ensemble, and a model of the same shape without teachers
#   final          a model of all of these pairs, trained for longer
#   longer         a control: a model of the pairs alone, after as many updates
# Three on their own:
#   back           5,000 pairs German to English, and the other 24,000 lines of English translated back
#   bidirectional  5,000 pairs German to English, with and without a start in both directions
#   documentation  Korean to English (softdoc), and 40,000 lines of English of another corpus translated back
# Usage: NMT_CORPORA=folder-with-the-corpora [SEED=1] [MULTI30K=raw|tok] benchmarks/recipes.sh STAGE...
# In an empty folder; all take hours on two cores (`longer` two minutes on an H100). tok: lower-cased, tokenised.
set -euo pipefail
seed=${SEED:-1} kind=${MULTI30K:-raw}
data=$NMT_CORPORA/multi30k/$kind test=test_2016_flickr
train=("$data/train.en" "$data/train.de")
held=(--valid "$data/val.en" "$data/val.de" --test "$data/$test.en" "$data/$test.de")
regularized=(--r-drop 3 --dropout 0.2 --batch-tokens 2048 --seed "$seed")
scoring=()
[ "$kind" = raw ] || scoring=(--tokenize none)

scores() {
    for run; do
        nmt eval --run "$run" "${scoring[@]}"
        nmt eval --run "$run" "${scoring[@]}" --beam 1
    done
    nmt report "$@"
}

plain() {
    nmt tokenizer train "${train[@]}" --run plain
    nmt prepare "${train[@]}" "${held[@]}" --run plain
    nmt prepare "${train[@]}" "${held[@]}" --run robust --tokenizer plain
    nmt train --run plain --epochs 10 "${regularized[@]}"
    nmt train --run robust --epochs 10 "${regularized[@]}" --robust
    nmt train --run reverse --reverse-of plain --epochs 8 --r-drop 0 --seed "$seed"
    scores plain robust reverse
}

diversify() {
    nmt synthesize diversify "${train[@]}" --forward plain/model --forward robust/model --backward reverse/model \
        --n-best 5 -o diverse.tsv
    nmt prepare "${train[@]}" diverse=diverse.tsv "${held[@]}" --run diverse --tokenizer plain
    nmt train --run diverse --epochs 3 "${regularized[@]}"
    scores diverse
}

distill() {
    local team=(--model plain/model --model robust/model --model diverse/model)
    nmt translate "${team[@]}" <"$data/$test.en" | nmt eval --reference "$data/$test.de" "${scoring[@]}"
    nmt synthesize forward "${train[@]}" "${team[@]}" --n-best 5 -o distilled.tsv
}

student() {
    nmt prepare "${train[@]}" distilled=distilled.tsv "${held[@]}" --run student --tokenizer plain
    nmt train --run student --preset fast --epochs 5 "${regularized[@]}"
    nmt prepare "${train[@]}" "${held[@]}" --run undistilled --tokenizer plain
    nmt train --run undistilled --preset fast --epochs 10 "${regularized[@]}"
    scores student undistilled
    python "$(dirname "$0")/decoding_speed.py" --model plain/model --student student/model --beams 5 3 2 --single 0 \
        --text "$data/$test.en" --reference "$data/$test.de"
}

final() {
    nmt prepare "${train[@]}" diverse=diverse.tsv distilled=distilled.tsv "${held[@]}" --run final --tokenizer plain
    nmt train --run final --epochs 10 "${regularized[@]}" --validate-every 1000
    scores final
}

longer() {
    nmt prepare "${train[@]}" "${held[@]}" --run longer --tokenizer plain
    nmt train --run longer --steps 8830 "${regularized[@]}" --validate-every 1000
    scores longer
}

few_pairs() { # German to English, as the run $1
    held=(--valid "$data/val.de" "$data/val.en" --test "$data/$test.de" "$data/$test.en")
    head -5000 "$data/train.de" >small.de
    head -5000 "$data/train.en" >small.en
    tail -n +5001 "$data/train.en" >mono.en
    nmt tokenizer train small.de small.en mono.en --symbol '<bt>' --vocab-size 4000 --run "$1"
    nmt prepare small.de small.en "${held[@]}" --run "$1"
}

back() {
    few_pairs small
    nmt train --run small --epochs 20
    nmt train --run small-reverse --reverse-of small --epochs 20
    nmt synthesize back mono.en --run small-reverse --beam 1 --tag '<bt>' -o synthetic.tsv
    nmt prepare small.de small.en synthetic=synthetic.tsv "${held[@]}" --run more --tokenizer small
    nmt train --run more --epochs 10 --r-drop 0
    scores small small-reverse more
}

bidirectional() {
    local options=(--preset tiny --dropout 0.3 --batch-tokens 1024 --r-drop 0 --validate-every 400 --average 1)
    few_pairs one
    cat small.de small.en >both.source
    cat small.en small.de >both.target
    for run in first again bidirectional; do
        nmt prepare small.de small.en "${held[@]}" --run "$run" --tokenizer one
    done
    nmt prepare both.source both.target "${held[@]}" --run both --tokenizer one
    nmt train --run one "${options[@]}" --steps 1200
    nmt train --run first "${options[@]}" --steps 400
    nmt train --run both "${options[@]}" --steps 400
    nmt train --run again "${options[@]}" --steps 800 --init-from first/model --learning-rate 8e-3
    nmt train --run bidirectional "${options[@]}" --steps 800 --init-from both/model --learning-rate 8e-3
    scores one again both bidirectional
}

documentation() {
    local corpora=$NMT_CORPORA/softdoc
    local korean=$corpora/ko-en same=(--batch-tokens 4096 --r-drop 0 --dropout 0.15)
    held=(--valid "$korean/valid.ko" "$korean/valid.en" --test "$korean/test.ko" "$korean/test.en")
    grep -vxFf "$korean/train.en" "$corpora/de-en/train.en" |
        shuf --random-source="$corpora/de-en/train.en" -n 60000 >english.en
    nmt tokenizer train "$korean/train.ko" "$korean/train.en" english.en --symbol '<bt>' --run korean
    nmt prepare "$korean/train.ko" "$korean/train.en" "${held[@]}" --run korean
    nmt train --run korean --steps 2790 "${same[@]}"
    nmt train --run korean-reverse --reverse-of korean --steps 1395 "${same[@]}"
    head -40000 english.en >english-40000.en
    nmt synthesize back english-40000.en --run korean-reverse --beam 1 --tag '<bt>' -o english.tsv
    nmt prepare "$korean/train.ko" "$korean/train.en" synthetic=english.tsv "${held[@]}" --run korean-more --tokenizer korean
    nmt train --run korean-more --steps 2790 "${same[@]}"
    scores korean korean-more
}

echo "$(date -u +%F), $(uname -m), $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)"
python3 -c 'import nmt, torch; print("nmt", nmt.__version__, "torch", torch.__version__)'
for stage; do
    echo "== $stage"
    $stage
done

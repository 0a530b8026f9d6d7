"""How well each layer and head of a model's cross-attention tells which words belong together.

    nmt demo && python benchmarks/alignment_error.py --run nmt-demo

The grammar that generates the embedded corpus knows the true alignments (data/test.alignment). The model is made to
write the references of the test set; each target word is aligned with the source word that it looks at most, in each
head and in the mean of a layer's heads. Printed is the alignment error rate of Och & Ney 2003 where all true links
are sure ones, 1 - 2 |A and S| / (|A| + |S|), A being the links that were found and S the true ones.
"""

import argparse
from pathlib import Path

from nmt import Translator
from nmt.evaluation.attention_maps import attention_maps, by_word

CORPUS = Path(__file__).parents[1] / "data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--sentences", type=int, default=500)
    given = parser.parse_args()
    translator = Translator.load(given.run / "model")
    files = [(CORPUS / f"test.{name}").read_text("utf-8").split("\n") for name in ("ko", "en", "alignment")]
    found: dict[tuple[int, int | None], list[int]] = {}
    for source, target, links in list(zip(*files, strict=True))[: given.sentences]:
        if not source:
            continue
        true = {(int(i), int(j)) for i, _, j in (link.partition("-") for link in links.split())}
        weights = by_word(attention_maps(translator, source, target)["cross"]).weights[:, :, :-1, :-1]  # without </s>
        for layer, heads in enumerate(weights):
            every = {None: heads.mean(dim=0), **dict(enumerate(heads))}
            for head, one in every.items():
                guessed = {(int(best), word) for word, best in enumerate(one.argmax(dim=1))}
                counts = found.setdefault((layer, head), [0, 0])
                counts[0] += 2 * len(guessed & true)
                counts[1] += len(guessed) + len(true)
    for (layer, head), (right, total) in found.items():
        name = "mean of all heads" if head is None else f"head {head + 1}"
        print(f"layer {layer + 1}, {name:18} {1 - right / total:.3f}")


if __name__ == "__main__":
    main()

"""Presets, and the policy of `--preset auto`: hyperparameters by the size of the corpus (see docs/training.md)."""

import math
from collections.abc import Mapping

from nmt.config.setting import AUTO, Value
from nmt.errors import counted

# For corpora that take minutes: pre-norm learns from the first steps on, small batches and Muon most from little text.
_SHALLOW: dict[str, Value] = dict(norm="pre", optimizer="muon", heads=4, warmup=200, batch_tokens=2048)
_PAPER: dict[str, Value] = dict(encoder_layers=6, decoder_layers=6, norm="post", warmup=4000)
PRESETS: Mapping[str, Mapping[str, Value]] = {
    "tiny": _SHALLOW | dict(dim=128, feed_forward=256, encoder_layers=4, decoder_layers=4, learning_rate=8e-3),
    "small": _SHALLOW | dict(dim=256, feed_forward=1024, encoder_layers=3, decoder_layers=3, learning_rate=1e-2),
    "base": _PAPER | dict(dim=512, feed_forward=2048, heads=8, learning_rate=7e-4),
    "big": _PAPER | dict(dim=1024, feed_forward=4096, heads=16, learning_rate=5e-4, dropout=0.3),
    AUTO: {},
    "fast": {},
    "fastest": {},
}
"""base and big are the paper's, with its peak learning rate (d_model * warmup)^-0.5; tiny is Wu et al.'s (2021).

The last three are for any corpus: `auto_preset` has their values.
"""

STUDENTS: Mapping[str, int] = {"fast": 2, "fastest": 1}
"""The decoder layers of fast students, whose encoders are twice as deep as auto's (Kasai et al. 2021)."""

PLANNED = frozenset({AUTO, *STUDENTS})
"""The presets that choose a training by the size of the corpus."""


SMALL, MEDIUM, LARGE = 10_000, 150_000, 1_500_000
"""Numbers of sentence pairs below which a corpus asks for another model or another training."""


def auto_preset(pairs: int, *, gpu: bool, name: str = AUTO) -> tuple[dict[str, Value], str]:
    """Hyperparameters of a PLANNED preset that suit a corpus of this many sentence pairs, and the reason as a message.

    The less text, the smaller the model and its batches; on a CPU, base would take days. The values up to 150,000 pairs
    were found on Multi30k, see docs/experiments.md.
    """
    if pairs < SMALL:
        size, changes = "tiny", dict[str, Value](batch_tokens=1024)
    elif pairs < MEDIUM:
        size, changes = "small", dict[str, Value](dim=192, feed_forward=384, batch_tokens=2048)
    elif pairs < LARGE or not gpu:
        size, changes = "small", dict[str, Value](batch_tokens=4096)
    else:
        size, changes = "base", dict[str, Value](batch_tokens=8192)
    if name in STUDENTS:
        deep = 2 * int(str(PRESETS[size]["encoder_layers"]))
        changes |= dict[str, Value](encoder_layers=deep, decoder_layers=STUDENTS[name])
    values = {**PRESETS[size], **changes, "dropout": auto_dropout(pairs, auto_epochs(pairs))}
    shape = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in changes.items())
    where = "" if gpu or pairs < LARGE else " and no GPU"
    return values, f"--preset {name}: for {counted(pairs, 'pair')}{where} {size}, with {shape}"


def auto_epochs(pairs: int) -> int:
    """Epochs over a corpus of this size where no steps, minutes or epochs were given."""
    return next(epochs for limit, epochs in _EPOCHS if pairs < limit)


_EPOCHS = ((SMALL, 60), (LARGE, 12), (math.inf, 6))  # below the first number of pairs: the second


def auto_dropout(pairs: int, epochs: float) -> float:
    """The dropout probability that suits this many epochs: more of them overfit more.

    With R-Drop, which computes each batch twice, each epoch counts as two.
    """
    dropout = next((dropout for limit, dropout in _DROPOUT if epochs < limit), 0.3)
    return dropout if pairs < MEDIUM else min(dropout, 0.1)


_DROPOUT = ((5, 0.05), (8, 0.1), (16, 0.15), (35, 0.2))
"""Below the first number of epochs: the second. From trainings of 5, 20 and 108 minutes, docs/experiments.md."""


def auto_r_drop(pairs: int, epochs: float) -> float:
    """The weight of R-Drop in a training that has time for this many epochs with it (0: without).

    Past some epochs, half as many with two forward passes of each batch teach more.
    """
    return 3.0 if SMALL <= pairs < MEDIUM and epochs >= _R_DROP_EPOCHS else 0.0


_R_DROP_EPOCHS = 8  # found on Multi30k, docs/experiments.md


def auto_batch_tokens(batch_tokens: int, pairs: int, epochs: float, steps: int) -> int:
    """The batch size of a training of this many epochs, which take `steps` steps with batches of `batch_tokens`.

    A long training learns more from batches twice as large, which are also faster; a short one needs its steps.
    """
    larger = SMALL <= pairs < MEDIUM and epochs >= _LARGER_BATCH_EPOCHS and steps >= _LARGER_BATCH_STEPS
    return 2 * batch_tokens if larger else batch_tokens


_LARGER_BATCH_EPOCHS, _LARGER_BATCH_STEPS = 6, 1600  # found on Multi30k, docs/experiments.md

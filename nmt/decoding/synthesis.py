"""Synthetic pairs: text and its translation by a model, as data to train another one.

Back-translation (Sennrich et al. 2016) translates text of the target language into a synthetic source; sequence-level
distillation (Kim & Rush 2016) translates the source; data diversification (Nguyen et al. 2020) does both, with several
models.
"""

import os
import random
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import tee
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

from nmt.config.synthesis import SynthesisConfig
from nmt.decoding.line_parts import sample_seed
from nmt.decoding.translation import Alternative, Translation
from nmt.errors import NmtError, counted
from nmt.text.chrf import CharacterNgrams
from nmt.text.words import casefold_words

_SLACK, _MOVE = 20, 3  # characters that do not count for the ratio of lengths; places that noise moves a word by

_LINES = "it must write one line for each line that it reads"

REASONS = ("kept", "empty", "failed", "loop", "truncated", "copy", "length", "score", "duplicate")
"""What becomes of a text; docs/recipes.md says what each means."""


class Candidate(NamedTuple):
    """A translation by a teacher."""

    text: str
    log_prob: float = 0.0  # the mean of its tokens
    flaw: str = ""  # one of REASONS


class Example(NamedTuple):
    """A text to translate, and its translation by a person, if there is one."""

    text: str
    reference: str = ""


class SyntheticPair(NamedTuple):
    """A pair, of which a teacher wrote one side."""

    source: str
    target: str
    reason: str  # one of REASONS


Teacher = Callable[[Iterable[Example]], Iterator[tuple[Example, list[Candidate]]]]
"""Translates texts: an n-best list for each, in order."""


def model_teacher(translate: Callable[[Iterator[str]], Iterator[Translation]]) -> Teacher:
    """A model as teacher."""

    def teach(examples: Iterable[Example]) -> Iterator[tuple[Example, list[Candidate]]]:
        examples, texts = tee(examples)
        for example, translation in zip(examples, translate(example.text for example in texts), strict=True):
            yield example, list(map(_candidate, translation.alternatives))

    return teach


def _candidate(alternative: Alternative) -> Candidate:
    log_prob = alternative.log_prob / max(1, len(alternative.tokens))
    text = "" if alternative.untranslated else alternative.text
    return Candidate(text, log_prob, "loop" if alternative.loop else "truncated" if alternative.truncated else "")


def command_teacher(command: str) -> Teacher:
    """A program as teacher, which writes a line for each line that it reads; NmtError where it does not."""
    name = f"--teacher-command {command}"

    def teach(examples: Iterable[Example]) -> Iterator[tuple[Example, list[Candidate]]]:
        try:
            process = subprocess.Popen(  # noqa: S603
                shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
            )
        except (OSError, ValueError) as error:
            raise NmtError(f"{name}: {error}", "pipes and what else a shell does need sh -c '...'") from None
        sent = SimpleQueue[Example | Exception | None]()
        Thread(target=_send, args=(examples, process.stdin, sent), daemon=True).start()
        try:
            number = 0
            for number, line in enumerate(process.stdout or (), start=1):
                if sent.empty() or not (example := _received(sent)):
                    raise NmtError(f"{name}: wrote more lines than the {number - 1:,} that it was given", _LINES)
                try:
                    yield example, [Candidate(line.decode().removesuffix("\n"))]
                except UnicodeDecodeError:
                    raise NmtError(f"{name}: line {number} that it wrote is not UTF-8: {line[:40]!r}", _LINES) from None
            if _received(sent) or process.wait():
                ended = f"ended after {counted(number, 'line')}, with exit code {process.wait()}"
                raise NmtError(f"{name}: {ended}", _LINES)
        finally:
            with suppress(ProcessLookupError):  # it has ended, and the programs that it started
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    return teach


def _send(examples: Iterable[Example], stream: Any, sent: "SimpleQueue[Example | Exception | None]") -> None:
    """Write texts to a program, and an error of reading them to the thread that waits for its lines."""
    try:
        with suppress(BrokenPipeError), stream:
            for example in examples:
                sent.put(example)  # before the program can answer
                stream.write(example.text.replace("\n", " ").encode() + b"\n")
        sent.put(None)
    except Exception as error:
        sent.put(error)


def _received(sent: "SimpleQueue[Example | Exception | None]") -> Example | None:
    """The next text that was sent, None after the last."""
    if isinstance(item := sent.get(), Exception):
        raise item
    return item


class Synthesizer:
    """Makes pairs of texts and their translations, and says which are worth keeping."""

    def __init__(self, config: SynthesisConfig, *, backward: bool, seed: int) -> None:
        """`backward` is whether the text is the target, and its translation the synthetic source."""
        self.config, self.backward, self.seed = config, backward, seed

    def __call__(self, examples: Iterable[Example], teacher: Teacher) -> Iterator[SyntheticPair]:
        """One pair for each example, in order, with the reason for which it is kept or not."""
        for example, candidates in teacher(examples):
            candidate = _nearest(candidates, example.reference)
            reason = self._reason(example.text, candidate)
            written = candidate.text
            if self.backward:
                written = self._tagged(add_noise(written, self.config.noise, sample_seed(written, self.seed)))
                yield SyntheticPair(written, example.text, reason)
            else:
                yield SyntheticPair(self._tagged(example.text), written, reason)

    def _tagged(self, source: str) -> str:
        return f"{self.config.tag} {source}" if self.config.tag else source

    def _reason(self, text: str, candidate: Candidate) -> str:
        config, lengths = self.config, sorted((len(text), len(candidate.text)))
        reasons = {
            "empty": not text.strip(),
            "failed": not candidate.text.strip(),
            candidate.flaw: bool(candidate.flaw),
            "copy": not config.keep_copies and casefold_words(text) == casefold_words(candidate.text),
            "length": lengths[1] > config.length_ratio * lengths[0] + _SLACK,
            "score": config.min_score is not None and candidate.log_prob < config.min_score,
        }
        return next((reason for reason, holds in reasons.items() if holds), "kept")


def _nearest(candidates: Sequence[Candidate], reference: str) -> Candidate:
    """The candidate nearest to the reference by chrF; without one, the first."""
    if not reference or len(candidates) < 2:
        return candidates[0] if candidates else Candidate("")
    ngrams = CharacterNgrams(reference)
    return max(candidates, key=lambda candidate: CharacterNgrams(candidate.text).chrf(ngrams))


def add_noise(text: str, rate: float, seed: int) -> str:
    """Drop words, and move others by a few places, each with this probability (Edunov et al. 2018, section 4.4).

    >>> add_noise("a b c d e f", 0.0, 1), add_noise("a", 0.5, 1)
    ('a b c d e f', 'a')
    """
    if not rate:
        return text
    draw = random.Random(seed)  # noqa: S311
    words = text.split()
    kept = [word for word in words if draw.random() >= rate] or words[:1]
    places = [index + (draw.uniform(0, _MOVE + 1) if draw.random() < rate else 0) for index in range(len(kept))]
    return " ".join(kept[index] for index in sorted(range(len(kept)), key=places.__getitem__))

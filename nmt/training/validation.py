"""Validation: the loss of the validation set, and the scores of its translations as translating will make them."""

import math
from typing import NamedTuple

import torch

from nmt.config import SearchConfig, TrainingConfig
from nmt.data.pairs import TrainingData
from nmt.decoding.engine import TorchEngine
from nmt.decoding.translate import Translator
from nmt.evaluation.metrics import score
from nmt.model.transformer import Transformer
from nmt.runtime import alignment
from nmt.text.tokenizer import Tokenizers
from nmt.training.log import perplexity

SAMPLES = 3
"""Sentences of the validation set whose translations are shown, the same ones each time."""


class Sample(NamedTuple):
    """A sentence of the validation set, its translation so far, and the right one."""

    source: str
    translation: str
    reference: str


class Validation(NamedTuple):
    """What the weights of a step are worth."""

    numbers: dict[str, float]  # loss, perplexity, bleu, chrf
    samples: list[Sample]


class Validator:
    """The validation set, and how it is translated and scored."""

    def __init__(
        self, config: TrainingConfig, data: TrainingData, tokenizers: Tokenizers, device: torch.device
    ) -> None:
        self.config, self.data, self.tokenizers, self.device = config, data, tokenizers, device

    @torch.inference_mode()
    def validate(self, model: Transformer, parts: int = 1) -> Validation:
        """Score a model; `parts` is in how many its batches are computed."""
        model.eval()
        loss = self._loss(model, parts)
        search = SearchConfig(beam=self.config.valid_beam)
        translator = Translator(TorchEngine([model], self.device), self.tokenizers)
        found = [one.text for one in translator.stream(self.data.valid_lines, search)]
        model.train()
        scored = score(found, [self.data.valid_references], ("bleu", "chrf"), quiet=True)
        scores = {one.name: one.value for one in scored}
        numbers = {"loss": loss, "perplexity": perplexity(loss), "bleu": scores["BLEU"], "chrf": scores["chrF2"]}
        lines = list(zip(self.data.valid_lines, found, self.data.valid_references, strict=True))
        samples = lines[:: max(1, len(lines) // SAMPLES)][:SAMPLES]
        return Validation(numbers, [Sample(*one) for one in samples])

    def _loss(self, model: Transformer, parts: int) -> float:
        """Mean cross-entropy of a target token."""
        assert self.data.valid is not None
        losses, tokens, multiple = list[torch.Tensor](), 0, alignment(self.device)
        for rows in self.data.valid.plan(self.config.batch_tokens, seed=0).epoch(0):
            for batch in self.data.valid.batch(rows, model.config, multiple).to(self.device).parts(parts):
                losses.append(model.loss(batch, 0.0).cross_entropy)
                tokens += batch.target_tokens
        return math.fsum(torch.stack(losses).tolist()) / max(1, tokens)

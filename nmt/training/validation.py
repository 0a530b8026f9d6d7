"""Validation: the loss of the validation set, and BLEU and chrF of its translations."""

import math
from typing import NamedTuple

import torch

from nmt.config.search import SearchConfig
from nmt.config.training import TrainingConfig
from nmt.data.batches import Collator
from nmt.data.dataset import TrainingData
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translator import Translator
from nmt.evaluation.metrics import score
from nmt.model.transformer import Transformer
from nmt.text.tokenizer import Tokenizers
from nmt.training.metrics_log import perplexity

SAMPLES = 3  # sentences of the validation set whose translations are shown, always the same ones


class Sample(NamedTuple):
    """A sentence of the validation set, its present translation, and the reference."""

    source: str
    translation: str
    reference: str


class Validation(NamedTuple):
    """The scores of some weights."""

    numbers: dict[str, float]  # loss, perplexity, bleu, chrf
    samples: list[Sample]


class Validator:
    """Scores models on the validation set."""

    def __init__(
        self, config: TrainingConfig, data: TrainingData, tokenizers: Tokenizers, device: torch.device
    ) -> None:
        self.config, self.data, self.tokenizers, self.device = config, data, tokenizers, device

    @torch.inference_mode()
    def validate(self, model: Transformer, parts: int = 1) -> Validation:
        """Score a model; each batch is computed in `parts` parts."""
        model.eval()
        loss = self._loss(model, parts)
        search = SearchConfig(beam=self.config.valid_beam)
        translator = Translator(TorchEngine([model], self.device), self.tokenizers)
        translations = [translation.text for translation in translator.stream(self.data.valid_lines, search)]
        model.train()
        metrics = score(translations, [self.data.valid_references], ("bleu", "chrf"), quiet=True)
        scores = {metric.name: metric.value for metric in metrics}
        numbers = {"loss": loss, "perplexity": perplexity(loss), "bleu": scores["BLEU"], "chrf": scores["chrF2"]}
        lines = list(zip(self.data.valid_lines, translations, self.data.valid_references, strict=True))
        samples = lines[:: max(1, len(lines) // SAMPLES)][:SAMPLES]
        return Validation(numbers, [Sample(*lines) for lines in samples])

    def _loss(self, model: Transformer, parts: int) -> float:
        """Mean cross-entropy per target token."""
        valid, collate = self.data.valid, Collator.of(model.config, self.device)
        assert valid is not None
        losses, tokens = list[torch.Tensor](), 0
        for rows in valid.plan(self.config.batch_tokens, seed=0).epoch(0):
            batch = collate(valid.source.read(rows), valid.target.read(rows)).to(self.device)
            losses += [model.loss(part, 0.0).cross_entropy for part in batch.parts(parts)]
            tokens += batch.tokens[1]
        return math.fsum(torch.stack(losses).tolist()) / max(1, tokens)

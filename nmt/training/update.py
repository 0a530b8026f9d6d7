"""One step of training: its batches forward and backward, their gradients summed, one step of the optimizer.

Forward and backward run over `accumulate` batches in each process, and the gradient is divided by the number of target
tokens in all of them. What a step draws at random follows from (seed, step, batch).
"""

import logging
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nmt.config import TrainingConfig
from nmt.data.batches import Batch, Position, make_batch
from nmt.data.noise import Noise
from nmt.data.order import Indices
from nmt.data.pairs import Pairs
from nmt.errors import NmtError
from nmt.model.transformer import Transformer
from nmt.runtime import alignment, free_cached_memory, is_out_of_memory, on_gpu, to_device, use_device
from nmt.training.distributed import Processes
from nmt.training.optimizer import MasterWeights
from nmt.training.schedule import learning_rate
from nmt.training.state import TrainingState
from nmt.workers import one_ahead

logger = logging.getLogger("nmt")

FEWER_PARTS = 500
"""Steps after which half as many parts are tried again: that memory ran out once does not say that it always will."""


class Share(NamedTuple):
    """What one process reads in a step."""

    end: Position  # the place in the data after the step
    batches: Mapping[int, Batch]  # by their number among those of all processes


class Update(NamedTuple):
    """What a step adds to the log; both stay on the device."""

    totals: Tensor  # sums over its batches: smoothed loss, cross-entropy, source tokens, target tokens
    norm: Tensor  # of the gradient; not finite where the step was skipped


class Updater:
    """What steps are made of, and how."""

    def __init__(
        self,
        model: Transformer,
        master: MasterWeights,
        config: TrainingConfig,
        pairs: Pairs,
        noise: Noise,
        processes: Processes,
    ) -> None:
        self.model, self.master, self.config = model, master, config
        self.pairs, self.noise, self.processes = pairs, noise, processes
        self.device = master.master.device

    def shares(self, start: Position) -> Iterator[Share]:
        """What this process reads in each step from a position on, without end.

        For a GPU each is read and sent there in the background, while the step before it is computed.
        """
        shares = self._shares(start)
        return one_ahead(shares, partial(use_device, self.device)) if on_gpu(self.device) else shares

    def _shares(self, start: Position) -> Iterator[Share]:
        batches = self.pairs.plan(self.config.batch_tokens, self.config.seed).stream(start)
        while True:
            drawn = list(islice(batches, self.config.accumulate * self.processes.world))
            mine = range(self.processes.rank, len(drawn), self.processes.world)
            yield Share(drawn[-1][0], {number: self.read(*drawn[number]) for number in mine})

    def read(self, position: Position, chosen: Indices) -> Batch:
        """The pairs of a batch as training reads them; what is drawn at random follows from the batch's position."""
        random = np.random.default_rng((self.config.seed, *position))
        source, target = self.noise.resegment(self.pairs.rows(chosen), random)
        sizes = self.model.config.source_vocabulary, self.model.config.target_vocabulary
        batch = make_batch(source, target, *sizes, multiple=alignment(self.device))
        return self.noise.mask(batch, random).to(self.device)

    def update(self, shares: Iterator[Share], state: TrainingState) -> Update:
        """Take the next share and update the weights, together with the other processes.

        Moves the state's position. What memory is too small for is computed in parts, to the same effect.
        """
        share = next(shares)
        if state.parts > 1 and state.step % FEWER_PARTS == 0:
            state.parts //= 2
        while (losses := self.collect_gradient(share.batches, state)) is None:
            self._halve_parts(max(len(batch.source) for batch in share.batches.values()), state)
        gradient = self.master.gradient
        gradient.sum(losses)
        number = state.step + 1
        norm = self.master.update(learning_rate(number, self.config, state.seconds), gradient.totals[3], number)
        state.epoch, state.batch = share.end
        return Update(gradient.totals.clone(), norm)

    def collect_gradient(self, batches: Mapping[int, Batch], state: TrainingState) -> Tensor | None:
        """Forward and backward over batches, by their number in the step; the totals, see `Update`.

        None, with nothing collected, when memory runs out.
        """
        source_tokens = sum(batch.source_tokens for batch in batches.values())
        target_tokens = sum(batch.target_tokens for batch in batches.values())
        totals = to_device(torch.tensor([0.0, 0.0, source_tokens, target_tokens]), self.device)
        pieces = [
            (number, part, piece)
            for number, batch in batches.items()
            for part, piece in enumerate(batch.parts(state.parts))
        ]
        scale = self.master.loss_scale.value if self.master.loss_scale is not None else None
        try:
            for number, part, piece in pieces:
                torch.manual_seed(_mix(self.config.seed, state.step, number, part))
                loss = self.model.loss(piece, self.config.label_smoothing, self.config.r_drop)
                totals[:2] += torch.stack([loss.smoothed.detach(), loss.cross_entropy])
                if piece is pieces[-1][-1]:
                    self.master.gradient.will_end()
                loss.smoothed.backward(scale)
                self.master.gradient.collect()
            return totals
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        self.master.gradient.drop()  # here, where the error no longer holds what was allocated
        return None

    def _halve_parts(self, sentences: int, state: TrainingState) -> None:
        """From here on compute each batch in twice as many parts; NmtError when they are single sentences already."""
        if state.parts >= sentences:
            raise NmtError(
                f"out of memory at step {state.step:,}: not even one sentence pair fits",
                "lower --max-length, or train a smaller model",
            )
        state.parts *= 2
        logger.warning(
            "out of memory at step %s: batches are computed in %d parts for now, to the same updates; "
            "a lower --batch-tokens with a higher --accumulate may be faster",
            f"{state.step:,}",
            state.parts,
        )
        free_cached_memory(self.device)


def _mix(*numbers: int) -> int:
    """One seed from several numbers, so that neighbours have nothing in common."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])

"""One update of the weights: its batches forward and backward, their gradients summed, one step of the optimiser.

Forward and backward run over `accumulate` batches in each process, and the gradient is divided by the number of target
tokens in all of them. What an update draws at random follows from (seed, step, batch).
"""

import logging
from collections.abc import Iterator, Mapping
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
from nmt.training.distributed import Processes
from nmt.training.optimizer import MasterWeights
from nmt.training.schedule import learning_rate
from nmt.training.state import TrainingState

logger = logging.getLogger("nmt")


class Update(NamedTuple):
    """What an update adds to the log, and its gradient's norm; tensors stay on the device."""

    smoothed: Tensor
    cross_entropy: Tensor
    source_tokens: int
    target_tokens: int
    norm: Tensor  # not finite where the update was skipped


class Updater:
    """What updates are made of, and how."""

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

    def batches(self, start: Position) -> Iterator[tuple[Position, Indices]]:
        """The batches of all processes from a position on, without end, each with the position after it."""
        return self.pairs.plan(self.config.batch_tokens, self.config.seed).stream(start)

    def update(self, batches: Iterator[tuple[Position, Indices]], state: TrainingState) -> Update:
        """Take the next batches and update the weights, together with the other processes.

        Moves the state's position. What memory is too small for is computed in parts, to the same effect.
        """
        processes = self.processes
        drawn = list(islice(batches, self.config.accumulate * processes.world))
        share = {number: self.read(*drawn[number]) for number in range(processes.rank, len(drawn), processes.world)}
        while (losses := self.collect_gradient(share, state)) is None:
            self._halve_parts(max(len(batch.source) for batch in share.values()), state)
        processes.sum(self.master.gradient)
        processes.sum(losses)
        source_tokens, target_tokens = processes.total(
            sum(batch.source_tokens for batch in share.values()), sum(batch.target_tokens for batch in share.values())
        )
        number = state.step + 1
        norm = self.master.update(learning_rate(number, self.config, state.seconds), target_tokens, number)
        (state.epoch, state.batch), _ = drawn[-1]
        return Update(losses[0], losses[1], source_tokens, target_tokens, norm)

    def read(self, position: Position, chosen: Indices) -> Batch:
        """The pairs of a batch as training reads them; what is drawn at random follows from the batch's position."""
        random = np.random.default_rng((self.config.seed, *position))
        source, target = self.noise.resegment(self.pairs.rows(chosen), random)
        batch = make_batch(source, target, self.model.config.source_vocabulary, self.model.config.target_vocabulary)
        return self.noise.mask(batch, random).to(self.device)

    def collect_gradient(self, batches: Mapping[int, Batch], state: TrainingState) -> Tensor | None:
        """Forward and backward over batches, by their number in the update; the sums of both losses.

        None, with nothing collected, when memory runs out.
        """
        losses = torch.zeros(2, device=self.device)
        try:
            for number, batch in batches.items():
                for part, piece in enumerate(batch.parts(state.parts)):
                    torch.manual_seed(_mix(self.config.seed, state.step, number, part))
                    loss = self.model.loss(piece, self.config.label_smoothing, self.config.r_drop)
                    loss.smoothed.backward()
                    losses += torch.stack([loss.smoothed.detach(), loss.cross_entropy])
            return losses
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
        self.master.drop_gradient()  # here, where the error no longer holds what was allocated
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
            "out of memory at step %s: batches are computed in %d parts from here on, to the same updates; "
            "a lower --batch-tokens with a higher --accumulate may be faster",
            f"{state.step:,}",
            state.parts,
        )
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def _out_of_memory(error: Exception) -> bool:
    """Whether an allocation failed: on a GPU, or on the host, for which torch has no exception of its own."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _mix(*numbers: int) -> int:
    """One seed from several numbers, so that neighbours have nothing in common."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])

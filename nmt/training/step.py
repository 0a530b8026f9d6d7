"""One training step: forward and backward over its batches, their gradients summed, one optimizer step.

Gradients accumulate over `accumulate` batches in each process, and are divided by the number of target tokens in all of
them. A step's random numbers are derived from (seed, step, batch).
"""

import logging
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nmt.config.training import TrainingConfig
from nmt.data.augmentation import Augmentation
from nmt.data.batches import Batch, Collator, Position
from nmt.data.dataset import Dataset
from nmt.errors import NmtError
from nmt.model.transformer import Transformer
from nmt.runtime import ALIGNMENT, can_record, free_cached_memory, is_out_of_memory, on_gpu, use_device
from nmt.training.checkpoint import TrainingState
from nmt.training.distributed import Processes
from nmt.training.graphs import Graphs
from nmt.training.optimizer import TOTALS, MasterWeights
from nmt.training.schedule import learning_rate
from nmt.workers import prefetch

logger = logging.getLogger("nmt")

FEWER_PARTS = 500  # steps after which half as many parts are tried again: memory that ran out once may suffice later


class StepBatches(NamedTuple):
    """The batches that one process reads in a step."""

    end: Position  # the position in the data after the step
    batches: Mapping[int, Batch]  # by their number among those of all processes


class StepResult(NamedTuple):
    """What a step adds to the log; both stay on the device."""

    totals: Tensor  # sums over its batches: smoothed loss, cross-entropy, source tokens, target tokens
    norm: Tensor  # of the gradient; not finite where the step was skipped


class StepRunner:
    """Runs training steps."""

    def __init__(
        self,
        model: Transformer,
        master: MasterWeights,
        config: TrainingConfig,
        data: Dataset,
        augmentation: Augmentation | None,
        processes: Processes,
    ) -> None:
        self.model, self.master, self.config = model, master, config
        self.data, self.augmentation, self.processes = data, augmentation, processes
        self.device = master.master.device
        self.on_gpu, self.collate = on_gpu(self.device), Collator.of(model.config, self.device)
        if config.robust:  # perturbed rows have lengths that the plan of batches does not foresee: too many shapes
            self.collate = self.collate._replace(multiple=ALIGNMENT)
        self.graphs: tuple[Graphs, Graphs] | None = None  # of `_backward` and the optimizer's step
        if config.cuda_graphs and can_record(self.device) and processes.world_size == 1:
            backward = Graphs(self._backward, self.device, lambda: model.positions)
            self.graphs = backward, Graphs(master.step, self.device, lambda: None)

    def batches(self, start: Position) -> Iterator[StepBatches]:
        """The batches of each step from a position on, endlessly.

        For a GPU they are read and sent there in the background, one step ahead.
        """
        batches = self._batches(start)
        return prefetch(batches, partial(use_device, self.device)) if self.on_gpu else batches

    def _batches(self, start: Position) -> Iterator[StepBatches]:
        plan = self.data.plan(self.config.batch_tokens, self.config.seed).stream(start)
        while True:
            step = list(islice(plan, self.config.accumulate * self.processes.world_size))
            own = dict[int, Batch]()
            for number in range(self.processes.rank, len(step), self.processes.world_size):
                position, rows = step[number]
                source, target = self.data.source.read(rows), self.data.target.read(rows)
                if self.augmentation is not None:  # derived from the batch's position
                    random = np.random.default_rng((self.config.seed, *position))
                    source, target = self.augmentation.augment((source, target), random)
                    batch = self.augmentation.mask(self.collate(source, target), random)
                else:
                    batch = self.collate(source, target)
                own[number] = batch.to(self.device) if self.on_gpu else batch
            yield StepBatches(step[-1][0], own)

    def run(self, batches: Iterator[StepBatches], state: TrainingState) -> StepResult:
        """Run the next step together with the other processes, and advance the state's position.

        Batches that do not fit into memory are computed in parts, to the same effect.
        """
        step = next(batches)
        if state.parts > 1 and state.step % FEWER_PARTS == 0:
            state.parts //= 2
        while (totals := self.accumulate(step.batches, state)) is None:
            self._halve_parts(max(len(batch.source) for batch in step.batches.values()), state)
        if self.processes.world_size > 1:
            totals = self.master.gradient.sum(totals)
        number = state.step + 1
        # the moving average decays faster while young: else the random start would stay in it
        average_weight = 1 - min(self.config.ema, (1 + number) / (10 + number))
        update = self.graphs[1] if self.graphs else self.master.step
        norm = update(learning_rate(number, self.config, state.seconds), totals[3], average_weight)
        state.epoch, state.batch = step.end
        return StepResult(totals, norm)

    def accumulate(self, batches: Mapping[int, Batch], state: TrainingState) -> Tensor | None:
        """Accumulate the gradients of batches, by their number in the step; the totals, see `StepResult`.

        None, with nothing accumulated, when memory runs out.
        """
        totals = torch.zeros(TOTALS, device=self.device)
        for side in (0, 1):  # filled, not set: CUDA would copy the number from the host, and wait
            totals[2 + side].fill_(sum(sum(batch.lengths[side]) for batch in batches.values()))
        parts = [
            (number, part, piece)
            for number, batch in batches.items()
            for part, piece in enumerate(batch.parts(state.parts) if state.parts > 1 else [batch])
        ]
        gradient, backward = self.master.gradient, self.graphs[0] if self.graphs else self._backward
        gradient.collected = False
        try:
            for number, part, piece in parts:
                seed = np.random.SeedSequence((self.config.seed, state.step, number, part))
                torch.manual_seed(int(seed.generate_state(1, np.uint64)[0]))
                if self.processes.world_size > 1 and piece is parts[-1][-1]:
                    gradient.expect_last()
                totals[:2] += backward(*piece[:4], gradient.collected)
                gradient.collected = True
            return totals
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        gradient.discard()  # here, where the error no longer holds what was allocated
        return None

    def _backward(
        self, source: Tensor, source_mask: Tensor, target_input: Tensor, target_output: Tensor, _collected: bool
    ) -> Tensor:
        """Forward and backward pass of a batch; its gradient is added to what was collected of the step, if anything.

        Returns the smoothed loss and the cross-entropy, [2].
        """
        for parameter in self.master.parameters:
            parameter.grad = None  # a recording that failed half-way leaves some
        batch = Batch(source, source_mask, target_input, target_output, lengths=([], []))  # which the loss ignores
        loss = self.model.loss(batch, self.config.label_smoothing, self.config.r_drop)
        scale = self.master.loss_scale.value if self.master.loss_scale is not None else None
        loss.smoothed.backward(scale)
        self.master.gradient.collect()
        return torch.stack([loss.smoothed.detach(), loss.cross_entropy])

    def _halve_parts(self, sentences: int, state: TrainingState) -> None:
        """From here on compute each batch in twice as many parts; NmtError when they are single sentences already."""
        if state.parts >= sentences:
            raise NmtError(
                f"out of memory at step {state.step:,}: not even one sentence pair fits",
                "lower --max-length, or train a smaller model",
            )
        state.parts *= 2
        logger.warning(
            "out of memory at step %s: batches are computed in %d parts for now, to the same effect; "
            "a lower --batch-tokens with a higher --accumulate may be faster",
            f"{state.step:,}",
            state.parts,
        )
        free_cached_memory(self.device)

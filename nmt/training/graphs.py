"""CUDA graphs: the kernels of a function are recorded once, and from then on launched together.

A training step is a thousand kernels. The host takes some 20 microseconds to launch one, longer than the GPU takes to
run one of a small model; a recorded step is a single launch. Replayed, a graph reads and writes the memory of its
recording, so there is one for each shape of the inputs: few, as batches have few shapes (`nmt.data.batches.MULTIPLE`).
"""

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nmt.runtime import free_cached_memory, memory_for_recording

logger = logging.getLogger("nmt")

Argument = Tensor | float | bool


class _Recording(NamedTuple):
    graph: torch.cuda.CUDAGraph
    inputs: list[Argument]  # tensors, whose memory the graph reads
    output: Tensor
    held: object  # what else it reads

    def replay(self, arguments: Sequence[Argument]) -> Tensor:
        for mine, given in zip(self.inputs, arguments, strict=True):
            if isinstance(mine, Tensor) and isinstance(given, Tensor):
                mine.copy_(given)
        self.graph.replay()
        return self.output.clone()


class Graphs:
    """A function on a GPU that is recorded for each shape of its arguments.

    It is run as usual for a shape at first, which prepares kernels; recorded the second time, if there is memory for
    it; and replayed from then on. Its Python code then has no effect but by the tensors that it changes in place, which
    must stay where they are. Random numbers are drawn as usual.
    """

    def __init__(self, function: Callable[..., Tensor], device: torch.device, held: Callable[[], object]) -> None:
        """`function` takes tensors, numbers, which become tensors, and truth values, to each of which belong graphs
        of their own. `held` returns tensors besides that it reads and that may be replaced.
        """
        self.function, self.device, self.held = function, device, held
        self.recordings: dict[Any, _Recording | None] = {}  # by arguments' shapes and truth values; None: seen once
        self.failed = False

    @cached_property
    def memory(self) -> tuple[Any, torch.cuda.Stream]:
        """The pool of memory and the stream in which all graphs are recorded; they run one after another."""
        return torch.cuda.graph_pool_handle(), torch.cuda.Stream(self.device)

    def __call__(self, *given: Argument) -> Tensor:
        """function(*given)."""
        arguments = [torch.full((), x, device=self.device) if isinstance(x, float) else x for x in given]
        key = tuple(x.shape if isinstance(x, Tensor) else x for x in arguments)
        recording = self.recordings.get(key)
        if recording is None and key in self.recordings and not self.failed:
            recording = self.recordings[key] = self._record(arguments)
        if recording is not None:
            return recording.replay(arguments)
        self.recordings[key] = None
        return self.function(*arguments)

    def _record(self, arguments: Sequence[Argument]) -> _Recording | None:
        """Record the function, which does not run it; None, and no attempt any more, where that fails."""
        free_cached_memory(self.device)
        if not memory_for_recording(self.device):
            return None
        inputs = [x.clone() if isinstance(x, Tensor) else x for x in arguments]
        graph = torch.cuda.CUDAGraph()
        try:  # thread_local: meanwhile another thread sends the next batch to the GPU
            with torch.cuda.graph(graph, *self.memory, capture_error_mode="thread_local"):
                output = self.function(*inputs)
        except RuntimeError as error:
            self.failed = True
            first = (str(error).splitlines() or [""])[0]
            logger.warning("steps are not recorded as CUDA graphs, which makes small models slower: %s", first)
            return None
        return _Recording(graph, inputs, output, self.held())

"""CUDA graphs: the kernels of a function are recorded once, and from then on launched together.

A training step is a thousand kernels. The host takes some 20 microseconds to launch one, longer than the GPU takes to
run one of a small model; a recorded step is a single launch. Replayed, a graph reads and writes the memory of its
recording, so there is one for each shape of the inputs: few, as batches have few shapes (`nmt.data.batches.MULTIPLE`).
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nmt.errors import NmtError
from nmt.runtime import is_out_of_memory, memory_for_recording

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

    It is run as usual for a shape at first, which prepares kernels; recorded the second time; and replayed from then
    on. Its Python code then has no effect but by the tensors that it changes in place, which must stay where they are.
    Random numbers are drawn as usual. Where memory does not suffice for a recording, or there are MOST, no shape is
    recorded any more.
    """

    MOST = 300  # random lengths, as of subword sampling, can have more shapes

    def __init__(self, function: Callable[..., Tensor], device: torch.device, held: Callable[[], object]) -> None:
        """`function` takes tensors, numbers, which become tensors, and truth values, to each of which belong graphs
        of their own. `held` returns tensors besides that it reads and that may be replaced.
        """
        self.function, self.device, self.held = function, device, held
        self.recordings: dict[Any, _Recording] = {}  # by arguments' shapes and truth values
        self.seen: set[Any] = set()
        self.complete = False  # whether no more are recorded

    @cached_property
    def memory(self) -> tuple[Any, torch.cuda.Stream]:
        """The pool of memory and the stream in which all graphs are recorded; they run one after another."""
        return torch.cuda.graph_pool_handle(), torch.cuda.Stream(self.device)

    def __call__(self, *given: Argument) -> Tensor:
        """function(*given); NmtError where a recording fails but for memory."""
        arguments = [torch.full((), x, device=self.device) if isinstance(x, float) else x for x in given]
        key = tuple(x.shape if isinstance(x, Tensor) else x for x in arguments)
        if key in self.seen and key not in self.recordings and not self.complete:
            if recording := self._record(arguments):
                self.recordings[key] = recording
            self.complete = recording is None or len(self.recordings) == self.MOST
        self.seen.add(key)
        if key in self.recordings:
            return self.recordings[key].replay(arguments)
        return self.function(*arguments)

    def _record(self, arguments: Sequence[Argument]) -> _Recording | None:
        """Record the function, which does not run it; None where memory does not suffice."""
        if not memory_for_recording(self.device):
            return None
        inputs = [x.clone() if isinstance(x, Tensor) else x for x in arguments]
        graph = torch.cuda.CUDAGraph()
        try:  # thread_local: meanwhile another thread sends the next batch to the GPU
            with torch.cuda.graph(graph, *self.memory, capture_error_mode="thread_local"):
                output = self.function(*inputs)
        except RuntimeError as error:
            if is_out_of_memory(error) and error.__context__ is None:  # else ending the recording failed, too
                return None
            cause = error.__context__ or error
            first = (str(cause).splitlines() or [type(cause).__name__])[0]
            raise NmtError(f"a step could not be recorded as a CUDA graph: {first}", "give --no-cuda-graphs") from error
        return _Recording(graph, inputs, output, self.held())

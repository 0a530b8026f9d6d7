"""Which device, number format and threads to compute with, from the words of the options."""

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

from nmt.config import RuntimeConfig
from nmt.errors import NmtError, UsageError
from nmt.files import available_threads
from nmt.model.linear import can_compute_int8

T = TypeVar("T")
U = TypeVar("U")


def choose_device(name: str) -> torch.device:
    """The device of a name; NmtError when it is unknown or not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise NmtError(f"--device {name} is unknown", "use cpu, cuda, cuda:0 ... or auto") from None
    if device.type == "cuda" and not (torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()):
        raise NmtError(f"--device {name}: torch sees {torch.cuda.device_count()} GPUs here", "use --device cpu or auto")
    if device.type not in ("cpu", "cuda"):
        raise NmtError(f"--device {name}: nmt computes on cpu and cuda", "use --device cpu or auto")
    return device


def choose_dtype(precision: str, device: torch.device, *, exact: bool) -> torch.dtype:
    """The number format of the arithmetic; auto is bfloat16 where the hardware multiplies it faster.

    `exact` asks for float32 on a CPU even so: results there must not depend on what else is in the batch.
    """
    if precision == "auto":
        fast = torch.cuda.is_bf16_supported() if device.type == "cuda" else not exact and _cpu_multiplies_bfloat16()
        return torch.bfloat16 if fast else torch.float32
    match precision:
        case "float32":
            return torch.float32
        case "bfloat16":
            return torch.bfloat16
        case "int8":
            _check_int8(device, exact=exact)
            return torch.float32  # of what is no product with weights
    raise UsageError(f"--precision {precision} is unknown", "choose from auto, float32, bfloat16, int8")


def _check_int8(device: torch.device, *, exact: bool) -> None:
    if not exact:
        raise UsageError("--precision int8 is for translating", "train in bfloat16 or float32")
    if device.type != "cpu":
        raise UsageError(f"--precision int8 is for CPUs, not for {device}", "use bfloat16 there")
    if not can_compute_int8():
        raise NmtError("--precision int8: torch has no such products on this machine", "use bfloat16 or float32")


def _cpu_multiplies_bfloat16() -> bool:
    """Whether the processor has bfloat16 products; known on Linux, elsewhere taken as no."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", "bf16 "))


def use_threads(runtime: RuntimeConfig) -> int:
    """Let torch use as many processor cores as the settings say; returns how many."""
    threads = runtime.threads or available_threads()
    torch.set_num_threads(threads)
    return threads


def in_one_thread(work: Callable[[T], U]) -> Callable[[T], U]:
    """Work that torch does with one thread, whatever it does else."""

    def limited(item: T) -> U:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return work(item)
        finally:
            torch.set_num_threads(before)

    return limited


def prepare_runtime(runtime: RuntimeConfig) -> tuple[torch.device, torch.dtype]:
    """Apply the runtime settings of training."""
    use_threads(runtime)
    device = choose_device(runtime.device)
    return device, choose_dtype(runtime.precision, device, exact=False)


def keep_freed_memory() -> None:
    """Tell the C library (glibc's `mallopt`) to keep the memory that tensors leave for those of the next step.

    Else it gives large blocks back to the system at once, and each new one is filled with zeros by the kernel, page
    after page: up to a tenth of a training step, and as much of decoding.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        for parameter, value in _MALLOC.items():
            mallopt(parameter, value)


_MALLOC = {
    -3: 1 << 30,  # M_MMAP_THRESHOLD: blocks up to 1 GiB come from the heap,
    -1: (1 << 31) - 1,  # M_TRIM_THRESHOLD: which shrinks only when 2 GiB at its end are free,
    -2: 64 << 20,  # M_TOP_PAD: and grows by 64 MiB more than is asked for;
    -8: 1,  # M_ARENA_MAX: one heap for all threads
}
"""The parameters of `mallopt` and their values."""

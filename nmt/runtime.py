"""Devices, dtypes, threads and memory; the only module that knows kinds of GPUs by name, but for `nmt.training.graphs`.

A GPU is what `torch.accelerator` offers: CUDA (and ROCm, which torch calls cuda, too), XPU or MPS.
"""

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nmt.config.runtime import RuntimeConfig
from nmt.errors import NmtError, UsageError, counted
from nmt.workers import available_threads

INT8_ENGINE = "fbgemm"  # torch's kernels for products of 8-bit integers
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_DTYPES["int8"] = torch.float32  # for all but products with weights
ALIGNMENT = 8
"""On a GPU sequence lengths are padded to a multiple of this: memory-efficient attention requires it of masks, and
compiled kernels then serve several lengths. In robust training the same holds of a CPU's kernels."""


def choose_device(name: str) -> torch.device:
    """The device of a name; NmtError when the name is unknown or there is no such device."""
    gpu = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if name == "auto":  # never MPS, which lacks operations and float64
        return gpu if gpu is not None and gpu.type != "mps" else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise NmtError(f"--device {name} is unknown", "use cpu, cuda, cuda:0, mps, xpu or auto") from None
    if not on_gpu(device):
        return torch.device("cpu")
    count = torch.accelerator.device_count() if gpu is not None and gpu.type == device.type else 0
    if (device.index or 0) >= count:
        raise NmtError(f"--device {name}: no such GPU found; there are {count}", "use --device cpu or auto")
    return device


def on_gpu(device: torch.device) -> bool:
    """Whether a device is not the CPU."""
    return device.type != "cpu"


def use_device(device: torch.device) -> None:
    """Set up a device, in the thread that will use it."""
    if device.type == "cuda":  # cuDNN's attention spends tens of milliseconds on each new shape, and most are new
        torch.backends.cuda.enable_cudnn_sdp(False)
    if device.index is not None and device.type != "mps":  # there is only one
        torch.get_device_module(device).set_device(device.index)


def gpu_of_rank(device: torch.device, rank: int, ranks: int) -> torch.device:
    """The GPU of a local rank; NmtError where this machine has fewer GPUs than `ranks`."""
    count = torch.accelerator.device_count()
    if device.type == "mps" or ranks > count:
        hint = f"start torchrun with --nproc-per-node={max(1, count)}, or give --device cpu"
        raise NmtError(f"{ranks} processes for {counted(count, 'GPU')}: each process needs a GPU", hint)
    return torch.device(device.type, rank)


def alignment(device: torch.device) -> int:
    """The multiple to which sequence lengths are padded on a device."""
    return ALIGNMENT if on_gpu(device) else 1


def aligned(length: int, multiple: int = ALIGNMENT) -> int:
    """Round a length up to a multiple."""
    return -(-length // multiple) * multiple


def to_device(array: "np.ndarray[Any, Any] | Tensor", device: torch.device) -> Tensor:
    """Copy an array to a device; for a GPU without waiting for the transfer."""
    tensor = array if isinstance(array, Tensor) else torch.from_numpy(array)
    if not on_gpu(device):
        return tensor.to(device)
    pinned = tensor if device.type == "mps" else tensor.pin_memory()
    return pinned.to(device, non_blocking=True)


def synchronize(device: torch.device) -> None:
    """Wait until a device has finished all work that was submitted to it."""
    if on_gpu(device):
        torch.accelerator.synchronize(device)


def device_name(device: torch.device) -> str:
    """The name of the GPU or the processor, as far as the system knows it."""
    if on_gpu(device) and device.type != "mps":
        name: str = torch.get_device_module(device).get_device_name(device)
        return name
    for line in _cpuinfo().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cpuinfo() -> str:
    """Linux's description of the processor; empty on other systems."""
    with suppress(OSError):
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    return ""


def choose_dtype(precision: str, device: torch.device, *, exact: bool) -> torch.dtype:
    """The dtype of a compute precision; auto is the fastest native one, but on a CPU float32 for `exact` results."""
    if precision == "auto":
        return _fastest(device, exact=exact)
    if precision not in _DTYPES:
        raise UsageError(f"--precision {precision} is unknown", f"choose from auto, {', '.join(_DTYPES)}")
    if precision == "float16" and not on_gpu(device):
        raise UsageError("--precision float16 is for GPUs", "use bfloat16 or float32 on a CPU")
    if precision == "int8":
        _check_int8(device, exact=exact)
    return _DTYPES[precision]


def _fastest(device: torch.device, *, exact: bool) -> torch.dtype:
    """bfloat16 where the hardware has it; else float16 on GPUs (T4, V100, RTX 20), float32 on MPS and CPUs."""
    if not on_gpu(device):
        cpuinfo = "" if exact else _cpuinfo()  # exact: a result must not depend on the rest of its batch
        native = any(flag in cpuinfo for flag in ("avx512_bf16", "amx_bf16", "bf16 "))
        return torch.bfloat16 if native else torch.float32
    if device.type == "mps":
        return torch.float32
    gpu = torch.get_device_module(device)
    with gpu.device(device.index) if device.index is not None else nullcontext():
        if gpu.is_bf16_supported(including_emulation=False):
            return torch.bfloat16
    return torch.float16


def _check_int8(device: torch.device, *, exact: bool) -> None:
    if not exact:
        raise UsageError("--precision int8 is for translating", "train in bfloat16 or float32")
    if on_gpu(device):
        raise UsageError(f"--precision int8 is for CPUs, not for {device}", "use bfloat16 or float16 there")
    if INT8_ENGINE not in torch.backends.quantized.supported_engines:
        raise NmtError("--precision int8: torch does not support it on this machine", "use bfloat16 or float32")


def widest_float(device: torch.device) -> torch.dtype:
    """The most precise dtype of a device: float64, except on MPS."""
    return torch.float32 if device.type == "mps" else torch.float64


def use_threads(runtime: RuntimeConfig, processes: int = 1) -> int:
    """Set the threads of torch as configured, else to a share of the cores among `processes`; returns their number."""
    threads = runtime.threads or max(1, available_threads() // processes)
    torch.set_num_threads(threads)
    return threads


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch to one thread, as a context or a decorator."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def available_memory(device: torch.device) -> int:
    """Free bytes on a GPU, or of the memory that this process may still allocate."""
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    if on_gpu(device):
        return int(torch.get_device_module(device).mem_get_info(device)[0])
    limits = []
    with suppress(OSError, ValueError, IndexError):
        limits.append(1024 * _proc_value("meminfo", "MemAvailable:"))
    with suppress(OSError, ValueError):  # the limit of a container
        limit, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text(encoding="ascii") for name in ("max", "current"))
        limits.append(int(limit) - int(used))
    with suppress(AttributeError, OSError, ValueError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return max(0, min(limits, default=4 << 30))


def peak_memory(device: torch.device) -> float:
    """Peak memory so far in MB: of the GPU, or of this process (0 where the system does not report it)."""
    if device.type == "mps":
        return torch.mps.driver_allocated_memory() / 2**20
    if on_gpu(device):
        return torch.get_device_module(device).max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        return 0.0
    if sys.platform == "linux":  # where getrusage includes the process that this one was forked from
        return _proc_value("self/status", "VmHWM:") / 2**10
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _proc_value(file: str, key: str) -> int:
    """A number from a file in /proc, in KiB."""
    return int(Path(f"/proc/{file}").read_text(encoding="ascii").split(key)[1].split()[0])


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is a failed allocation by torch, by a library of CUDA or ROCm, or on the host."""
    messages = ("out of memory", "can't allocate memory", "_STATUS_ALLOC_FAILED")  # of CUDA; the host; cuBLAS, cuDNN
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(message in str(error) for message in messages)
    )


def free_cached_memory(device: torch.device) -> None:
    """Release the GPU memory that torch caches."""
    if on_gpu(device):
        torch.get_device_module(device).empty_cache()


def can_record(device: torch.device) -> bool:
    """Whether a device can record kernels as graphs, see `nmt.training.graphs`."""
    return device.type == "cuda" and torch.version.cuda is not None


def memory_for_recording(device: torch.device) -> bool:
    """Whether a GPU has memory for two steps, between which it is now: one that is recorded has memory of its own."""
    idle = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return idle > 2 * (torch.cuda.max_memory_allocated(device) - torch.cuda.memory_allocated(device))


def keep_freed_memory() -> None:
    """Make glibc keep the memory of freed tensors for the next step.

    By default the system zeroes each large block anew, which takes up to a tenth of a training step and of decoding.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD: blocks up to 1 GiB come from the heap,
        mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD: which shrinks only when 2 GiB at its end are free,
        mallopt(-2, 64 << 20)  # M_TOP_PAD: and grows by 64 MiB more than requested;
        mallopt(-8, 1)  # M_ARENA_MAX: one heap for all threads

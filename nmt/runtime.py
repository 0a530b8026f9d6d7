"""Devices and their memory, the dtype of the arithmetic, threads. The one module that knows kinds of GPUs by name.

Everything else asks whether a tensor is on the CPU or not. A GPU is what `torch.accelerator` offers: CUDA (and ROCm,
which torch calls by the same name), XPU or MPS.
"""

import ctypes
import os
import platform
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from nmt.config import RuntimeConfig
from nmt.errors import NmtError, UsageError
from nmt.files import available_threads

T = TypeVar("T")
U = TypeVar("U")

INT8_ENGINE = "fbgemm"
"""torch's kernels for products of 8-bit integers."""

ALIGNMENT = 8
"""On a GPU sequences are padded to a multiple of this: memory-efficient attention takes masks that are aligned so, and
compiled kernels need not be made anew for each length."""


# ------------------------------------------------------------------------------------------------------------ devices


def choose_device(name: str) -> torch.device:
    """The device of a name; NmtError when it is unknown or not there."""
    gpu = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if name == "auto":  # MPS only where it is asked for: it lacks operations and float64
        return gpu if gpu is not None and gpu.type != "mps" else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise NmtError(f"--device {name} is unknown", "use cpu, cuda, cuda:0, mps, xpu or auto") from None
    if not on_gpu(device):
        return torch.device("cpu")
    count = torch.accelerator.device_count() if gpu is not None and gpu.type == device.type else 0
    if (device.index or 0) >= count:
        raise NmtError(f"--device {name}: torch sees {count} such GPUs here", "use --device cpu or auto")
    return device


def on_gpu(device: torch.device) -> bool:
    """Whether a device is not the CPU."""
    return device.type != "cpu"


def use_device(device: torch.device) -> None:
    """Make a device ready, in the thread that will use it.

    Of the kernels for attention cuDNN's is left out: it plans anew for each new shape, which takes tens of
    milliseconds, and batches of sentences are of a new shape almost every time.
    """
    if device.type == "cuda":
        torch.backends.cuda.enable_cudnn_sdp(False)
    if device.index is not None and device.type != "mps":  # of which there is one
        torch.get_device_module(device).set_device(device.index)


def gpu_of_rank(device: torch.device, rank: int, ranks: int) -> torch.device:
    """The GPU of one of several processes on this machine; NmtError where there are more processes than GPUs."""
    count = torch.accelerator.device_count()
    if device.type == "mps" or ranks > count:
        raise NmtError(
            f"{ranks} processes for {count} GPUs: each process needs one of its own",
            f"start torchrun with --nproc-per-node={max(1, count)}, or give --device cpu",
        )
    return torch.device(device.type, rank)


def alignment(device: torch.device) -> int:
    """The multiple to which sequences are padded on a device."""
    return ALIGNMENT if on_gpu(device) else 1


def aligned(length: int, multiple: int = ALIGNMENT) -> int:
    """A length, rounded up to a multiple.

    >>> aligned(17), aligned(17, 1)
    (24, 17)
    """
    return -(-length // multiple) * multiple


def to_device(array: "np.ndarray[Any, Any] | Tensor", device: torch.device) -> Tensor:
    """A copy of an array on a device; on its way to a GPU the host does not wait for it."""
    tensor = array if isinstance(array, Tensor) else torch.from_numpy(array)
    if not on_gpu(device):
        return tensor.to(device)
    pinned = tensor if device.type == "mps" else tensor.pin_memory()
    return pinned.to(device, non_blocking=True)


def synchronize(device: torch.device) -> None:
    """Wait until a device has done all that it was given."""
    if on_gpu(device):
        torch.accelerator.synchronize(device)


def device_name(device: torch.device) -> str:
    """What the GPU or the processor calls itself, as far as the system says."""
    if on_gpu(device) and device.type != "mps":
        name: str = torch.get_device_module(device).get_device_name(device)
        return name
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


# -------------------------------------------------------------------------------------------------------------- dtypes


def choose_dtype(precision: str, device: torch.device, *, exact: bool) -> torch.dtype:
    """The dtype of the arithmetic; auto is the fastest one that the hardware itself multiplies.

    `exact` asks for float32 on a CPU even so: results there must not depend on what else is in the batch.
    """
    match precision:
        case "auto":
            return _fastest(device, exact=exact)
        case "float32":
            return torch.float32
        case "bfloat16":
            return torch.bfloat16
        case "float16":
            if not on_gpu(device):
                raise UsageError("--precision float16 is for GPUs", "use bfloat16 or float32 on a CPU")
            return torch.float16
        case "int8":
            _check_int8(device, exact=exact)
            return torch.float32  # of what is not a product with weights
    raise UsageError(f"--precision {precision} is unknown", "choose from auto, float32, bfloat16, float16, int8")


def _fastest(device: torch.device, *, exact: bool) -> torch.dtype:
    """bfloat16 where the hardware has it, float16 on GPUs without (T4, V100, RTX 20); float32 on MPS and other CPUs."""
    if not on_gpu(device):
        return torch.bfloat16 if not exact and _cpu_multiplies_bfloat16() else torch.float32
    gpu = torch.get_device_module(device)
    if device.type == "mps":
        return torch.float32
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
        raise NmtError("--precision int8: torch has no such products on this machine", "use bfloat16 or float32")


def _cpu_multiplies_bfloat16() -> bool:
    """Whether the processor has bfloat16 products; known on Linux, elsewhere taken as no."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", "bf16 "))


def widest_float(device: torch.device) -> torch.dtype:
    """The most exact dtype of a device: float64, which MPS does not have."""
    return torch.float32 if device.type == "mps" else torch.float64


# ------------------------------------------------------------------------------------------------------------- threads


def use_threads(runtime: RuntimeConfig, processes: int = 1) -> int:
    """Let torch use as many processor cores as the settings say, or the share of one of several processes; how many."""
    threads = runtime.threads or max(1, available_threads() // processes)
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


# -------------------------------------------------------------------------------------------------------------- memory


def available_memory(device: torch.device) -> int:
    """Bytes that are free on a GPU, or that this process may still take of the machine's memory."""
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    if on_gpu(device):
        return int(torch.get_device_module(device).mem_get_info(device)[0])
    found = []
    with suppress(OSError, ValueError, IndexError):
        meminfo = Path("/proc/meminfo").read_text(encoding="ascii")
        found.append(1024 * int(meminfo.split("MemAvailable:")[1].split()[0]))
    with suppress(OSError, ValueError):  # the limit of a container
        limit, used = (Path(f"/sys/fs/cgroup/memory.{name}").read_text(encoding="ascii") for name in ("max", "current"))
        found.append(int(limit) - int(used))
    with suppress(AttributeError, OSError, ValueError):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return max(0, min(found, default=4 << 30))


def peak_memory(device: torch.device) -> float:
    """The most memory used so far in MB: of the GPU, or of this process (0 where the system does not say)."""
    if device.type == "mps":
        return torch.mps.driver_allocated_memory() / 2**20
    if on_gpu(device):
        return torch.get_device_module(device).max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        return 0.0
    if sys.platform == "linux":  # where getrusage also counts what the process was forked from
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) / 2**10
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed: torch's own, one of CUDA's libraries', or the host's."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)
    )


_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "_STATUS_ALLOC_FAILED")
"""As CUDA and ROCm, the host, and cuBLAS and cuDNN say it."""


def free_cached_memory(device: torch.device) -> None:
    """Give back what torch keeps of a GPU's memory for later."""
    if on_gpu(device):
        torch.get_device_module(device).empty_cache()


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

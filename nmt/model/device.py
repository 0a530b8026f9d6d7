"""Which device, number format and threads to compute with, from the words of the options."""

from pathlib import Path

import torch

from nmt.config import RuntimeConfig
from nmt.errors import NmtError, UsageError
from nmt.files import available_threads


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
    raise UsageError(f"--precision {precision} is unknown", "choose from auto, float32, bfloat16")


def _cpu_multiplies_bfloat16() -> bool:
    """Whether the processor has bfloat16 products; known on Linux, elsewhere taken as no."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", "bf16 "))


def prepare_runtime(runtime: RuntimeConfig, *, exact: bool) -> tuple[torch.device, torch.dtype]:
    """Apply the runtime settings of a command."""
    torch.set_num_threads(runtime.threads or available_threads())
    device = choose_device(runtime.device)
    return device, choose_dtype(runtime.precision, device, exact=exact)

"""Where and how to compute."""

from dataclasses import dataclass

from nmt.config.setting import Config, Group

_runtime = Group("Runtime")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfig(Config):
    """Device, precision and threads."""

    device: str = _runtime("auto", "Device: cpu, cuda, cuda:1, mps, xpu, or auto (a GPU if available)")
    precision: str = _runtime(
        "auto",
        "Compute precision (dtype); auto: by command and hardware; int8: only to translate",
        choices=("auto", "float32", "bfloat16", "float16", "int8"),
    )
    threads: int = _runtime(0, "CPU threads (0: one per core)", "[0, 1024]")

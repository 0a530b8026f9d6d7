"""A GPU that is not there: tensors that say they are on one while their values are in CPU tensors.

Importing this registers the device `emulated`; inside `emulated_gpu()` torch offers it as its accelerator, so that
`--device emulated` takes every branch that a GPU takes. What a real GPU refuses fails here too: an operation on tensors
of two devices, `.numpy()` of a tensor that was not brought to the host. Counted are the operations that would launch a
kernel, and each place where the host waits for the device: a transfer to the host, a blocking one to the device, a
Python number made of a tensor, a shape that depends on values. It shows nothing about kernels, streams, memory or
speed. It needs torch 2.13 or newer (`_setup_privateuseone_for_python_backend`).
"""

import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "emulated"
DEVICE = torch.device("cpu")  # until the device is registered, below

_WAITS = {
    "aten::_local_scalar_dense",
    "aten::item",
    "aten::equal",
    "aten::is_nonzero",
    "aten::nonzero",
    "aten::masked_select",
    "aten::unique_dim",
    "aten::_unique2",
}
_TRANSFERS = {"aten::_to_copy", "aten::copy_", "aten::_copy_from"}
_NO_KERNEL = {"aten::empty.memory_format", "aten::empty_strided", "aten::empty_like", "aten::new_empty", "aten::detach"}
_NO_KERNEL |= {"aten::_local_scalar_dense", "aten::item", "aten::_unsafe_view", "aten::_reshape_alias", "aten::alias"}


class Counts:
    """What the device was given, and where the host waited for it."""

    def __init__(self) -> None:
        self.launches: Counter[str] = Counter()  # by operation
        self.waits: Counter[str] = Counter()  # by operation and the caller in the package

    def clear(self) -> None:
        self.launches.clear()
        self.waits.clear()


counts = Counts()


class _Module(_DummyBackendModule):
    """What `torch.get_device_module` gives for the device."""

    available = False  # but inside `emulated_gpu`
    bfloat16 = True

    def is_available(self) -> bool:
        return self.available

    def device_count(self) -> int:
        return int(self.available)

    def get_rng_state(self, _: Any = None) -> torch.Tensor:
        return torch.empty(0)  # it draws from the CPU's generator

    def set_rng_state(self, *_: Any) -> None:
        pass

    def set_device(self, _: Any) -> None:
        pass

    def device(self, _: Any) -> Any:
        return nullcontext()

    def is_bf16_supported(self, *, including_emulation: bool = True) -> bool:
        return self.bfloat16 or including_emulation

    def get_device_name(self, _: Any = None) -> str:
        return "emulated GPU"

    def mem_get_info(self, _: Any = None) -> tuple[int, int]:
        return 8 << 30, 16 << 30

    def max_memory_allocated(self, _: Any = None) -> int:
        return 1 << 30

    def empty_cache(self) -> None:
        pass


class EmulatedTensor(torch.Tensor):
    """A tensor on the emulated device."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> "EmulatedTensor":
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=DEVICE,
            requires_grad=False,
        )
        made.inner = inner
        return made

    @property
    def data(self) -> torch.Tensor:
        return self.detach()

    @data.setter
    def data(self, value: "EmulatedTensor") -> None:
        self.inner = value.inner

    def tolist(self) -> Any:
        _wait("tolist")
        return self.inner.tolist()

    def __setitem__(self, index: Any, value: Any) -> None:
        if not isinstance(value, torch.Tensor) and not self[index].dim():  # CUDA copies it from the host
            _wait("a number set at one place")
        super().__setitem__(index, value)

    def numpy(self, **_: Any) -> Any:
        raise TypeError("can't convert a tensor of the emulated device to numpy: copy it to the host first")

    def untyped_storage(self) -> Any:
        return self.inner.untyped_storage()

    def __repr__(self, **_: Any) -> str:
        return f"emulated({self.inner})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """An operation on the tensors' values; RuntimeError where they are of two devices."""
    name = func._schema.name
    ours: list[EmulatedTensor] = []
    hosts: list[torch.Tensor] = []

    def unwrapped(x: Any, *, listed: bool = False) -> Any:
        if isinstance(x, EmulatedTensor):
            ours.append(x)
            return x.inner
        if isinstance(x, torch.Tensor) and (x.dim() > 0 or listed):  # one number may be on the host
            hosts.append(x)
        return [unwrapped(one, listed=True) for one in x] if isinstance(x, list | tuple) else x

    bare_args, bare = [unwrapped(one) for one in args], {key: unwrapped(value) for key, value in kwargs.items()}
    if ours and hosts and name not in _TRANSFERS:
        raise RuntimeError(f"Expected all tensors to be on the same device: {name}")
    here = bool(ours)
    if kwargs.get("device") is not None:
        here = torch.device(kwargs["device"]).type == NAME
        bare["device"] = torch.device("cpu")
        bare.pop("pin_memory", None)
    _count(func, name, args, kwargs, ours, here)
    if name == "aten::copy_":
        bare_args[0].copy_(bare_args[1])
        return args[0]
    result = func(*bare_args, **bare)

    def wrapped(x: Any) -> Any:
        if isinstance(x, list | tuple):
            return type(x)(wrapped(one) for one in x)
        if not isinstance(x, torch.Tensor) or isinstance(x, EmulatedTensor) or not here:
            return x
        same = [one for one in ours if one.inner is x]
        return same[0] if same else EmulatedTensor(x)

    return wrapped(result)


def _count(func: Any, name: str, args: Any, kwargs: dict[str, Any], ours: list[EmulatedTensor], here: bool) -> None:
    to_host = bool(ours) and not here
    from_host = name in _TRANSFERS and here and not isinstance(args[1 if name == "aten::copy_" else 0], EmulatedTensor)
    if name == "aten::copy_":
        to_host = bool(ours) and not isinstance(args[0], EmulatedTensor)
    blocking = not (kwargs.get("non_blocking") or (name == "aten::copy_" and len(args) > 2 and args[2]))
    if ours and (
        name in _WAITS or (name in _TRANSFERS and to_host) or (name == "aten::index.Tensor" and _masked(args))
    ):
        _wait(name)
    elif from_host and blocking:
        _wait(f"{name} to the device")
    if (ours or here) and not func.is_view and str(func).removesuffix(".default") not in _NO_KERNEL_NAMES:
        counts.launches[name] += 1


_NO_KERNEL_NAMES = {name.replace("::", ".") for name in _NO_KERNEL}


def _inner(x: Any) -> Any:
    return x.inner if isinstance(x, EmulatedTensor) else x


def _masked(args: Any) -> bool:
    return any(isinstance(x, torch.Tensor) and x.dtype == torch.bool for x in args[1] if x is not None)


def _wait(name: str) -> None:
    for frame in reversed(traceback.extract_stack(limit=40)):
        if "/nmt/" in frame.filename:
            counts.waits[f"{name} {frame.filename.rsplit('/nmt/', 1)[1]}:{frame.name}"] += 1
            return
    counts.waits[name] += 1


# ---------------------------------------------------------------------------- what C++ calls below Python's dispatch


_setup_privateuseone_for_python_backend(NAME, backend_module=_Module())
DEVICE = torch.device(NAME, 0)
_library = torch.library.Library("aten", "IMPL")


def _empty_strided(size, stride, dtype=None, layout=None, device=None, pin_memory=None):  # type: ignore[no-untyped-def]
    return EmulatedTensor(torch.empty_strided(size, stride, dtype=dtype, device="cpu"))


def _empty(size, dtype=None, layout=None, device=None, pin_memory=None, memory_format=None):  # type: ignore[no-untyped-def]
    return EmulatedTensor(torch.empty(size, dtype=dtype, device="cpu"))


def _copy_from(source, destination, non_blocking=False):  # type: ignore[no-untyped-def]
    to_host, from_host = (isinstance(x, EmulatedTensor) for x in (source, destination))
    if to_host and not from_host:
        _wait("aten::_copy_from")
    elif from_host and not to_host and not non_blocking:
        _wait("aten::_copy_from to the device")
    counts.launches["aten::copy_"] += 1
    _inner(destination).copy_(_inner(source))
    return destination


_library.impl("empty_strided", _empty_strided, "PrivateUse1")
_library.impl("empty.memory_format", _empty, "PrivateUse1")
_library.impl("_copy_from", _copy_from, "PrivateUse1")


@contextmanager
def emulated_gpu(*, bfloat16: bool = True) -> Iterator[torch.device]:
    """Inside it torch offers the emulated device as its accelerator; `bfloat16` says whether it multiplies those."""
    module = torch.get_device_module(NAME)
    swap = torch.__future__.get_swap_module_params_on_conversion()

    def enter(self: Any) -> None:  # in inference mode wrapped tensors have no version counters
        self.emulated_before = torch.is_grad_enabled()
        torch.set_grad_enabled(False)

    with ExitStack() as patches:
        for target, name, value in (
            (module, "available", True),
            (module, "bfloat16", bfloat16),
            (torch.accelerator, "synchronize", lambda device=None: _wait("synchronize")),
            (torch.Tensor, "pin_memory", lambda self: self),
            (torch.inference_mode, "__enter__", enter),
            (torch.inference_mode, "__exit__", lambda self, *_: torch.set_grad_enabled(self.emulated_before)),
        ):
            patches.enter_context(mock.patch.object(target, name, value))
        torch.__future__.set_swap_module_params_on_conversion(True)  # so that tied weights stay tied
        counts.clear()
        try:
            yield DEVICE
        finally:
            torch.__future__.set_swap_module_params_on_conversion(swap)

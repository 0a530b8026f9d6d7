"""Devices by their names, dtypes by what the hardware multiplies, and the words in which memory runs out."""

import threading
from collections.abc import Iterator

import pytest
import torch
from conftest import EMULATED_GPU

from nmt.config import RuntimeConfig
from nmt.errors import NmtError, UsageError
from nmt.files import available_threads
from nmt.runtime import choose_device, choose_dtype, gpu_of_rank, is_out_of_memory, use_threads
from nmt.workers import one_ahead

CPU = torch.device("cpu")


def test_auto_is_the_gpu_where_there_is_one(gpu: torch.device) -> None:
    assert choose_device("auto").type == gpu.type
    assert choose_device(gpu.type).type == gpu.type
    assert choose_device("cpu") == CPU


@pytest.mark.parametrize("name", ["xpu", "mps", "hpu:0"])
def test_a_kind_of_gpu_that_is_not_here_is_an_error(gpu: torch.device, name: str) -> None:
    if name.split(":")[0] == gpu.type:
        pytest.skip("it is here")
    with pytest.raises(NmtError, match=f"--device {name}: torch sees 0 such GPUs here"):
        choose_device(name)


def test_a_number_beyond_the_gpus_is_an_error(gpu: torch.device) -> None:
    with pytest.raises(NmtError, match="such GPUs here"):
        choose_device(f"{gpu.type}:77")


def test_a_gpu_without_bfloat16_computes_in_float16() -> None:
    """T4, V100 and RTX 20 emulate it, which is slower than float32, and torch says that they support it."""
    if not EMULATED_GPU:
        pytest.skip("the GPU here is a real one")
    import emulated_gpu

    for bfloat16, expected in ((True, torch.bfloat16), (False, torch.float16)):
        with emulated_gpu.emulated_gpu(bfloat16=bfloat16) as device:
            assert choose_dtype("auto", device, exact=False) == choose_dtype("auto", device, exact=True) == expected


@pytest.mark.parametrize(
    ("precision", "exact"), [("float16", True), ("float16", False), ("int8", False), ("half", True)]
)
def test_a_precision_that_the_cpu_does_not_do_is_refused(precision: str, exact: bool) -> None:
    with pytest.raises(UsageError):
        choose_dtype(precision, CPU, exact=exact)


def test_more_processes_than_gpus_are_refused_with_the_number_that_fits(gpu: torch.device) -> None:
    count = torch.accelerator.device_count()
    assert gpu_of_rank(gpu, count - 1, count) == torch.device(gpu.type, count - 1)
    with pytest.raises(NmtError) as caught:
        gpu_of_rank(gpu, 0, count + 1)
    assert f"{count + 1} processes for {count} GPUs" in caught.value.problem
    assert f"--nproc-per-node={count}" in str(caught.value.hint)


def test_processes_share_the_cores_unless_the_settings_say_otherwise() -> None:
    before = torch.get_num_threads()
    try:
        assert use_threads(RuntimeConfig(), processes=2) == max(1, available_threads() // 2)
        assert use_threads(RuntimeConfig(threads=3), processes=2) == torch.get_num_threads() == 3
        assert use_threads(RuntimeConfig(), processes=1000) == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("HIP out of memory"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_memory_that_ran_out_is_known_by_its_words(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_items_are_made_one_ahead_in_a_thread_of_their_own_and_in_order() -> None:
    made: list[tuple[int, str]] = []

    def items() -> Iterator[int]:
        for number in range(5):
            made.append((number, threading.current_thread().name))
            yield number
        raise NmtError("no more")

    ahead = one_ahead(items(), lambda: None)
    assert [next(ahead) for _ in range(4)] == [0, 1, 2, 3]
    assert next(ahead) == 4
    with pytest.raises(NmtError, match="no more"):
        next(ahead)
    assert threading.current_thread().name not in {name for _, name in made}

"""Devices by their names, dtypes by what the hardware supports, threads, memory, and work done ahead."""

import json
import os
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import EMULATED_GPU

from nmt import runtime
from nmt.config.runtime import RuntimeConfig
from nmt.errors import NmtError, UsageError
from nmt.runtime import (
    aligned,
    alignment,
    available_memory,
    choose_device,
    choose_dtype,
    device_name,
    gpu_of_rank,
    is_out_of_memory,
    on_gpu,
    one_thread,
    peak_memory,
    to_device,
    use_threads,
    widest_float,
)
from nmt.workers import JSON, Packing, Workers, available_threads, prefetch, processes

CPU = torch.device("cpu")


def test_auto_is_the_gpu_where_there_is_one(gpu: torch.device) -> None:
    assert choose_device("auto").type == gpu.type
    assert choose_device(gpu.type).type == gpu.type
    assert choose_device("cpu") == CPU


@pytest.mark.parametrize("name", ["xpu", "mps", "hpu:0"])
def test_a_kind_of_gpu_that_this_machine_lacks_is_an_error(gpu: torch.device, name: str) -> None:
    if name.split(":")[0] == gpu.type:
        pytest.skip("it is here")
    with pytest.raises(NmtError, match=f"--device {name}: no such GPU found; there are 0"):
        choose_device(name)


def test_a_number_beyond_the_gpus_is_an_error(gpu: torch.device) -> None:
    with pytest.raises(NmtError, match="no such GPU found"):
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
def test_a_precision_that_the_cpu_does_not_support_is_refused(precision: str, exact: bool) -> None:
    with pytest.raises(UsageError):
        choose_dtype(precision, CPU, exact=exact)


def test_more_processes_than_gpus_are_refused_with_the_number_that_fits(gpu: torch.device) -> None:
    count = torch.accelerator.device_count()
    assert gpu_of_rank(gpu, count - 1, count) == torch.device(gpu.type, count - 1)
    with pytest.raises(NmtError) as caught:
        gpu_of_rank(gpu, 0, count + 1)
    assert f"{count + 1} processes for {count} GPU" in caught.value.problem
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
def test_failed_allocations_are_recognized_by_their_messages(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_items_are_prefetched_in_order_by_another_thread() -> None:
    computed: list[tuple[int, str]] = []

    def items() -> Iterator[int]:
        for number in range(5):
            computed.append((number, threading.current_thread().name))
            yield number
        raise NmtError("no more")

    ahead = prefetch(items(), lambda: None)
    assert [next(ahead) for _ in range(4)] == [0, 1, 2, 3]
    assert next(ahead) == 4
    with pytest.raises(NmtError, match="no more"):
        next(ahead)
    assert threading.current_thread().name not in {name for _, name in computed}


def test_the_thread_that_prefetches_is_prepared_first() -> None:
    """A GPU is chosen for each thread: without that, batches for the second GPU would go to the first."""
    prepared = list[str]()
    ahead = prefetch(iter(range(3)), lambda: prepared.append(threading.current_thread().name))
    assert next(ahead) == 0
    assert len(prepared) == 1
    assert prepared != [threading.current_thread().name]


# ------------------------------------------------------------------------------------------------------------- devices


@pytest.mark.parametrize("name", ["tpu", "gpu", "cuda:x", ""])
def test_unknown_devices_are_refused(name: str) -> None:
    with pytest.raises(NmtError, match=f"--device {name} is unknown") as caught:
        choose_device(name)
    assert "cuda:0" in caught.value.hint


def test_the_cpu_has_one_device_whatever_its_number() -> None:
    assert choose_device("cpu:3") == CPU
    assert not on_gpu(CPU)
    assert widest_float(CPU) == torch.float64


@pytest.mark.parametrize(("length", "multiple", "expected"), [(0, 8, 0), (1, 8, 8), (8, 8, 8), (17, 8, 24), (9, 1, 9)])
def test_lengths_are_rounded_up(length: int, multiple: int, expected: int) -> None:
    assert aligned(length, multiple) == expected


def test_sequences_are_padded_to_a_multiple_on_gpus_alone(gpu: torch.device) -> None:
    assert alignment(CPU) == 1
    assert alignment(gpu) == 8 == aligned(1)


def test_arrays_and_tensors_go_to_a_device_with_their_values(gpu: torch.device) -> None:
    array = np.arange(6, dtype=np.int64).reshape(2, 3)
    for device in (CPU, gpu):
        for source in (array, torch.from_numpy(array)):
            tensor = to_device(source, device)
            assert tensor.device.type == device.type
            assert torch.equal(tensor.cpu(), torch.from_numpy(array))


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("processor : 0\nmodel name\t: Some CPU @ 3 GHz\nmodel name\t: Other\n", "Some CPU @ 3 GHz"),
        ("processor : 0\nmodel : 7\n", None),  # as on Arm
        ("", None),  # as on macOS and Windows
    ],
)
def test_a_cpu_is_named_by_the_system(cpuinfo: str, expected: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_cpuinfo", lambda: cpuinfo)
    monkeypatch.setattr(runtime.platform, "processor", lambda: "")
    monkeypatch.setattr(runtime.platform, "machine", lambda: "aarch64")
    assert device_name(CPU) == (expected or "aarch64")


# -------------------------------------------------------------------------------------------------------------- dtypes


@pytest.mark.parametrize("flags", ["fpu avx512_bf16 amx_tile", "fpu amx_bf16", "asimd bf16 i8mm"])
def test_auto_is_bfloat16_on_cpus_that_have_it_unless_results_must_be_exact(
    flags: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bfloat16 a sentence's translation would depend on its neighbours in the batch."""
    monkeypatch.setattr(runtime, "_cpuinfo", lambda: f"flags\t: {flags}\n")
    assert choose_dtype("auto", CPU, exact=False) == torch.bfloat16
    assert choose_dtype("auto", CPU, exact=True) == torch.float32


@pytest.mark.parametrize("cpuinfo", ["", "flags\t: fpu avx2 avx512f\n"])
def test_auto_is_float32_on_other_cpus(cpuinfo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_cpuinfo", lambda: cpuinfo)
    assert choose_dtype("auto", CPU, exact=False) == torch.float32


def test_a_named_precision_is_its_dtype() -> None:
    assert choose_dtype("float32", CPU, exact=False) == torch.float32
    assert choose_dtype("bfloat16", CPU, exact=True) == torch.bfloat16
    if runtime.INT8_ENGINE in torch.backends.quantized.supported_engines:
        assert choose_dtype("int8", CPU, exact=True) == torch.float32  # for all but products with weights


def test_refused_precisions_say_what_to_use(gpu: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    for precision, device, exact, problem, hint in (
        ("half", CPU, True, "--precision half is unknown", "auto, float32, bfloat16, float16, int8"),
        ("float16", CPU, True, "float16 is for GPUs", "use bfloat16 or float32 on a CPU"),
        ("int8", CPU, False, "int8 is for translating", "train in bfloat16 or float32"),
        ("int8", gpu, True, "int8 is for CPUs", "use bfloat16 or float16 there"),
    ):
        with pytest.raises(UsageError, match=problem) as caught:
            choose_dtype(precision, device, exact=exact)
        assert hint in caught.value.hint
    assert choose_dtype("float16", gpu, exact=True) == torch.float16
    monkeypatch.setattr(runtime, "INT8_ENGINE", "none")
    with pytest.raises(NmtError, match="torch does not support it on this machine"):
        choose_dtype("int8", CPU, exact=True)


# -------------------------------------------------------------------------------------------------- threads and memory


def test_work_in_one_thread_leaves_the_threads_as_they_were() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert one_thread()(torch.get_num_threads)() == 1
        with pytest.raises(NmtError), one_thread():
            raise NmtError("fails")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_available_memory_is_at_most_that_of_the_machine() -> None:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 1 << 20 < available_memory(CPU) <= total


def test_the_limit_of_a_container_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container of 1 GB on a machine of 64 GB, batches for 64 GB would be killed."""
    files = {"/sys/fs/cgroup/memory.max": "1000000", "/sys/fs/cgroup/memory.current": "400000"}
    read_text = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path, **options: files.get(str(path)) or read_text(path, **options))
    assert available_memory(CPU) == 600_000
    files["/sys/fs/cgroup/memory.current"] = "2000000"
    assert available_memory(CPU) == 0
    files["/sys/fs/cgroup/memory.max"] = "max"  # no limit
    assert available_memory(CPU) > 1_000_000


def test_peak_memory_grows_with_what_is_allocated_and_does_not_shrink() -> None:
    """Up to 1 MB, by which Linux counts only roughly."""
    before = peak_memory(CPU)
    block = torch.ones(64 << 20, dtype=torch.uint8)
    during = peak_memory(CPU)
    del block
    assert during >= max(before, 64) - 1
    assert peak_memory(CPU) >= during - 1


# -------------------------------------------------------------------------------------------------------------- workers


def test_workers_pack_items_and_results_as_requested() -> None:
    numbers = Packing(lambda item: bytes([item]), lambda data: data[0])
    with Workers(lambda item: item * 2, 2, numbers, JSON) as workers:
        assert list(workers.map(range(20))) == [2 * item for item in range(20)]


def test_text_with_half_characters_passes_through_workers() -> None:
    """Lone surrogates come from arguments in a broken encoding; strict UTF-8 would end the work."""
    items = ["안녕", "\ud800", "\n"]
    with Workers(lambda item: [item], 2) as workers:
        assert list(workers.map(items)) == [[item] for item in items]
    assert JSON.unpack(JSON.pack({"a": "\udcff"})) == json.loads(r'{"a": "\udcff"}')


def test_a_single_item_is_worked_on_without_starting_processes() -> None:
    """Forking takes longer than translating a sentence."""
    with Workers(lambda item: os.getpid(), 4) as workers:
        assert list(workers.map([1])) == [os.getpid()]
        assert list(workers.map([])) == []
        assert workers.processes == []
        if processes(4) > 1:
            assert os.getpid() not in workers.map([1, 2, 3])
            assert len(workers.processes) == 4


def test_items_are_drawn_as_workers_become_free() -> None:
    """The lines of an endless stream must not all be read before the first is translated."""
    drawn = list[int]()

    def items() -> Iterator[int]:
        for item in count():
            drawn.append(item)
            yield item

    with Workers(lambda item: time.sleep(min(item, 1)), 2) as workers:  # the first takes no time, and others a second
        assert next(workers.map(items())) is None
        assert len(drawn) < 10

"""The largest batch that fits into memory."""

import numpy as np
import torch
from torch import Tensor

from nmt.config.model import ModelConfig
from nmt.data.batches import Collator
from nmt.model.kernels.projected_loss import GPU_PIECE
from nmt.model.transformer import Transformer
from nmt.runtime import available_memory, on_gpu
from nmt.text.tokenizer import END

SENTENCES, LENGTH = 8, 64  # of the trial batch: attention's memory grows with the length, so it must not be too short

USED = 0.7  # fraction of the free memory that is used; the rest is left to other programs and the allocator


def fitting_batch_tokens(config: ModelConfig, device: torch.device, dtype: torch.dtype, r_drop: float = 0.0) -> int:
    """The most tokens of a batch, on its longer side, for which a training step of such a model has memory.

    A small batch goes forward, and the bytes kept for the backward pass are counted. The estimate adds as much again
    for the backward pass itself, and for each parameter what `MasterWeights` holds of it, a moving average included.
    """
    torch.manual_seed(0)
    model = Transformer(config).to(device, dtype).train()
    model.place_positions(device, dtype)
    model.extend_positions(LENGTH)
    kept: dict[int, int] = {}  # bytes by address, as a tensor may be kept several times

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    rows = [np.full(LENGTH, END, dtype=np.int64)] * SENTENCES
    batch = Collator.of(config, device)(rows, rows).to(device)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        loss = model.loss(batch, smoothing=0.1, r_drop=r_drop)
    for parameter in model.parameters():
        kept.pop(parameter.untyped_storage().data_ptr(), None)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    del loss
    held = parameters * (2 * dtype.itemsize + 5 * torch.float32.itemsize)
    if on_gpu(device):  # a piece of the logits, its softmax, and with R-Drop the differences of two
        held += (8 if r_drop else 2) * GPU_PIECE * dtype.itemsize
    bytes_per_token = 2 * sum(kept.values()) / (SENTENCES * LENGTH)
    return max(0, int((USED * available_memory(device) - held) / bytes_per_token))

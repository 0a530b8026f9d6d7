"""How large a batch may be: what training keeps in memory for each token, and how much memory is free."""

import numpy as np
import torch
from torch import Tensor

from nmt.config import ModelConfig
from nmt.data.batches import make_batch
from nmt.model.loss import GPU_PIECE
from nmt.model.transformer import Transformer
from nmt.runtime import available_memory, on_gpu
from nmt.text.tokenizer import END

SENTENCES, LENGTH = 8, 64
"""Of the batch that is tried: what attention keeps grows with the length, so that it must not be too short."""

USED = 0.7
"""Share of the free memory that is planned for; the rest is for what other programs and the allocator may take."""


def fitting_batch_tokens(config: ModelConfig, device: torch.device, dtype: torch.dtype, r_drop: float = 0.0) -> int:
    """The most tokens of a batch, on its longer side, that a training step of such a model has memory for.

    One small batch goes forward, and what it keeps for the backward pass is counted. As much again is reckoned for
    what the backward pass makes, and for each parameter what `MasterWeights` holds of it, a moving average included.
    """
    torch.manual_seed(0)
    model = Transformer(config).to(device, dtype).train()
    model.place_positions(device, dtype)
    model.reach(LENGTH)
    kept: dict[int, int] = {}  # bytes by address: the same tensor may be kept several times

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    rows = [np.full(LENGTH, END, dtype=np.int64)] * SENTENCES
    batch = make_batch(rows, rows, config.source_vocabulary, config.target_vocabulary).to(device)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        loss = model.loss(batch, smoothing=0.1, r_drop=r_drop)
    for parameter in model.parameters():
        kept.pop(parameter.untyped_storage().data_ptr(), None)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    del loss
    held = parameters * (2 * dtype.itemsize + 5 * torch.float32.itemsize)
    if on_gpu(device):  # where a piece of the logits is large: itself, its softmax and with R-Drop what is between two
        held += (8 if r_drop else 2) * GPU_PIECE * dtype.itemsize
    a_token = 2 * sum(kept.values()) / (SENTENCES * LENGTH)
    return max(0, int((USED * available_memory(device) - held) / a_token))

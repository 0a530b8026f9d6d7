"""The cache of keys and values that makes decoding linear in the length of the translation."""

import torch
from torch import Tensor

POSITIONS = 16  # by which a cache grows at a time


class LayerCache:
    """The keys and values of one decoder layer for a batch of sentences that are being decoded.

    All hypotheses of a sentence share the keys and values of the encoder's output, and those of the tokens so far: a
    row of slots, one for each hypothesis at each position, which never move. A bias hides the slots of other
    hypotheses, see `DecoderLayer.step`; the beam is the query dimension of both attentions.
    """

    __slots__ = ("keys", "memory_keys", "memory_values", "observed", "used", "values")

    def __init__(self, memory_keys: Tensor, memory_values: Tensor) -> None:
        self.memory_keys = memory_keys.contiguous()  # [batch, heads, source, dim / heads]
        self.memory_values = memory_values.contiguous()
        self.keys = self.values = memory_keys[:, :, :0]  # [batch, heads, slots, dim / heads], the first `used` filled
        self.used = 0
        self.observed: list[Tensor] | None = None  # a list to which cross-attention weights are appended

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Append the present position [batch, heads, beam, dim / heads]; return all keys and values."""
        used = self.used + key.size(2)
        if used > self.keys.size(2):
            self.keys, self.values = (
                self._with_room(slots, POSITIONS * key.size(2)) for slots in (self.keys, self.values)
            )
        self.keys[:, :, self.used : used] = key
        self.values[:, :, self.used : used] = value
        self.used = used
        return self.keys[:, :, :used], self.values[:, :, :used]

    def _with_room(self, slots: Tensor, room: int, sentences: Tensor | None = None) -> Tensor:
        """A copy of the slots in use, of these sentences, with room for more."""
        batch, heads, _, dim = slots.shape
        batch = batch if sentences is None else len(sentences)
        larger = slots.new_empty((batch, heads, self.used + room, dim))
        used, space = slots[:, :, : self.used], larger[:, :, : self.used]
        if sentences is None:
            space.copy_(used)
        else:
            torch.index_select(used, 0, sentences, out=space)
        return larger

    def keep(self, sentences: Tensor) -> None:
        """Keep these sentences, in this order."""
        self.memory_keys = self.memory_keys.index_select(0, sentences)
        self.memory_values = self.memory_values.index_select(0, sentences)
        room = self.keys.size(2) - self.used
        self.keys, self.values = (self._with_room(slots, room, sentences) for slots in (self.keys, self.values))

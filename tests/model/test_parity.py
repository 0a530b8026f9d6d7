"""Our Transformer against torch's own, with copied weights: outputs and gradients."""

import pytest
import torch
from torch import Tensor, nn

from nmt.config.model import ModelConfig
from nmt.model.attention import KEY, QUERY, MultiHeadAttention, padding_bias
from nmt.model.layers import DecoderLayer, EncoderLayer
from nmt.model.transformer import Transformer

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def config(**changes: object) -> ModelConfig:
    shape = dict(source_vocabulary=50, target_vocabulary=50, shared_vocabulary=True, dropout=0.0)
    shape |= dict(dim=32, feed_forward=48, heads=4, encoder_layers=2, decoder_layers=3, max_length=40)
    return ModelConfig(**{**shape, **changes})


def copy_attention(ours: MultiHeadAttention, theirs: nn.MultiheadAttention) -> None:
    theirs.in_proj_weight.data.copy_(ours.project_in.weight)
    theirs.in_proj_bias.data.copy_(ours.project_in.bias)
    theirs.out_proj.load_state_dict(ours.project_out.state_dict())


def copy_layer(ours: EncoderLayer | DecoderLayer, theirs: nn.Module) -> None:
    copy_attention(ours.self_attention, theirs.self_attn)
    theirs.linear1.load_state_dict(ours.feed_forward.expand.state_dict())
    theirs.linear2.load_state_dict(ours.feed_forward.contract.state_dict())
    norms = [ours.self_attention_residual.norm, ours.feed_forward_residual.norm]
    if isinstance(ours, DecoderLayer):
        copy_attention(ours.cross_attention, theirs.multihead_attn)
        norms.insert(1, ours.cross_attention_residual.norm)
    for number, norm in enumerate(norms, start=1):
        getattr(theirs, f"norm{number}").load_state_dict(norm.state_dict())


def torch_copy(ours: Transformer) -> tuple[nn.TransformerEncoder, nn.TransformerDecoder]:
    shape = ours.config
    pre = shape.norm == "pre"
    options = dict(dim_feedforward=shape.feed_forward, dropout=0.0, batch_first=True, norm_first=pre)
    norms = [nn.LayerNorm(shape.dim) if pre else None for _ in range(2)]
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(shape.dim, shape.heads, **options),
        shape.encoder_layers,
        norm=norms[0],
        enable_nested_tensor=False,
    )
    decoder = nn.TransformerDecoder(
        nn.TransformerDecoderLayer(shape.dim, shape.heads, **options), shape.decoder_layers, norm=norms[1]
    )
    for mine, layer in [
        *zip(ours.encoder, encoder.layers, strict=True),
        *zip(ours.decoder, decoder.layers, strict=True),
    ]:
        copy_layer(mine, layer)
    if pre:
        encoder.norm.load_state_dict(ours.encoder_norm.state_dict())
        decoder.norm.load_state_dict(ours.decoder_norm.state_dict())
    return encoder, decoder


def randomize(model: Transformer) -> None:
    """Biases and norms away from 0 and 1, so that a forgotten one shows."""
    for parameter in model.parameters():
        if parameter.dim() == 1:
            nn.init.normal_(parameter, mean=float(parameter.detach().mean()), std=0.3)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_encoder_and_decoder_give_the_outputs_and_gradients_of_torch(norm: str) -> None:
    torch.manual_seed(0)
    ours = Transformer(config(norm=norm))
    randomize(ours)
    encoder, decoder = torch_copy(ours)
    source = torch.randint(4, 50, (5, 9))
    mask = torch.arange(9) < torch.tensor([9, 4, 1, 7, 9])[:, None]
    target = torch.randint(4, 50, (5, 7))

    output = ours(source, mask, target)
    x, y = (ours._embed(tokens, ours.source_embedding) for tokens in (source, target))
    causal = torch.triu(torch.ones(7, 7, dtype=torch.bool), diagonal=1)
    memory = encoder(x, src_key_padding_mask=~mask)
    expected = decoder(y, memory, tgt_mask=causal, memory_key_padding_mask=~mask)
    torch.testing.assert_close(output, expected, **TOLERANCE)

    direction = torch.randn_like(output)
    ours.zero_grad()
    (embedding_gradient,) = torch.autograd.grad(
        (expected * direction).sum(), [ours.source_embedding.weight], retain_graph=True
    )
    (expected * direction).sum().backward()
    ours.source_embedding.weight.grad = None
    (output * direction).sum().backward()
    torch.testing.assert_close(ours.source_embedding.weight.grad, embedding_gradient, rtol=1e-4, atol=1e-5)
    for mine, layer in [
        *zip(ours.encoder, encoder.layers, strict=True),
        *zip(ours.decoder, decoder.layers, strict=True),
    ]:
        for tensor, reference in gradients_in_common(mine, layer):
            torch.testing.assert_close(tensor, reference, rtol=1e-4, atol=1e-5)


def gradients_in_common(
    ours: EncoderLayer | DecoderLayer, theirs: nn.Module
) -> list[tuple[Tensor | None, Tensor | None]]:
    pairs = [
        (ours.self_attention.project_in.weight, theirs.self_attn.in_proj_weight),
        (ours.self_attention.project_in.bias, theirs.self_attn.in_proj_bias),
        (ours.self_attention.project_out.weight, theirs.self_attn.out_proj.weight),
        (ours.feed_forward.expand.weight, theirs.linear1.weight),
        (ours.feed_forward.contract.bias, theirs.linear2.bias),
        (ours.self_attention_residual.norm.weight, theirs.norm1.weight),
    ]
    if isinstance(ours, DecoderLayer):
        pairs.append((ours.cross_attention.project_in.weight, theirs.multihead_attn.in_proj_weight))
    return [(mine.grad, reference.grad) for mine, reference in pairs]


def test_attention_gives_what_torch_multi_head_attention_gives_weights_included() -> None:
    torch.manual_seed(1)
    ours = MultiHeadAttention(config())
    theirs = nn.MultiheadAttention(32, 4, batch_first=True)
    copy_attention(ours, theirs)
    query, memory = torch.randn(3, 5, 32), torch.randn(3, 8, 32)
    mask = torch.arange(8) < torch.tensor([8, 3, 5])[:, None]
    observed: list[Tensor] = []
    output = ours(query, memory, padding_bias(mask, torch.float32), observed)
    expected, weights = theirs(query, memory, memory, key_padding_mask=~mask, average_attn_weights=False)
    torch.testing.assert_close(output, expected, **TOLERANCE)
    torch.testing.assert_close(observed[0], weights, **TOLERANCE)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_written_out_equals_the_fused_kernel(causal: bool) -> None:
    """The CPU computes the equation, a GPU the fused kernel: they must be the same function."""
    torch.manual_seed(2)
    module = MultiHeadAttention(config())
    x = torch.randn(2, 6, 32)
    query, key, value = module.project(x)
    fused = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
    expected = module.project_out(fused.transpose(1, 2).flatten(2))
    torch.testing.assert_close(module.attend(query, key, value, None, causal=causal), expected, **TOLERANCE)


def test_queries_and_keys_projected_together_equal_those_projected_apart() -> None:
    torch.manual_seed(3)
    module = MultiHeadAttention(config())
    x = torch.randn(2, 6, 32)
    together = module.project(x)
    torch.testing.assert_close(together, (*module.project(x, QUERY, QUERY), *module.project(x, KEY)), **TOLERANCE)

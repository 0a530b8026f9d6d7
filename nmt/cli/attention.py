"""`nmt attention`: attention maps of a sentence, in the terminal, on a page, or as JSON."""

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from nmt.cli.options import Common, Force, Given, Model
from nmt.cli.output import log, writable_page, write_line
from nmt.cli.translate import open_translator
from nmt.config.runtime import RuntimeConfig
from nmt.errors import NmtError, UsageError

Kind = Annotated[
    Literal["cross", "encoder", "decoder"],
    typer.Option(help="Attention of the decoder to the source, or self-attention of encoder or decoder."),
]
Layer = Annotated[int | None, typer.Option(help="Which layer, from 1.", show_default="the last")]
Head = Annotated[int | None, typer.Option(help="Which head, from 1.", show_default="their mean")]


def attention(
    common: Common,
    given: Annotated[Given, RuntimeConfig],
    text: Annotated[str, typer.Argument(help="Source sentence.")],
    target: Annotated[str | None, typer.Option(help="Translation to force.", show_default="the model's own")] = None,
    model: Model = None,
    kind: Kind = "cross",
    layer: Layer = None,
    head: Head = None,
    pieces: Annotated[bool, typer.Option("--pieces", help="Show pieces instead of whole words.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write a self-contained page with all kinds, layers and heads.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print all kinds, layers and heads as JSON.")] = False,
    force: Force = False,
) -> None:
    """Show the cross-attention from a translation to its source, or the self-attention of encoder or decoder."""
    from nmt.evaluation.attention_maps import KINDS, as_json, attention_maps, by_word

    if not text.strip():
        raise UsageError("the text is blank", "give a sentence")
    page = html and writable_page(html, force=force)
    translator = open_translator([model or common.run.model], given.build(RuntimeConfig), engine="torch")
    shape = translator.model.config
    layers = shape.encoder_layers if kind == "encoder" else shape.decoder_layers
    number, which = _within(layer, layers, "layer") or layers, _within(head, shape.heads, "head")
    if target is None:
        target = translator.translate([text])[0].text
        log(f"translation: {target}")
        if not target.strip():
            raise NmtError("the model's own translation is empty", "give one with --target")
    maps = attention_maps(translator, text, target)
    if not pieces:
        maps = {name: by_word(attention_map) for name, attention_map in maps.items()}
    if page:
        from nmt.cli.pages import attention_page

        page(attention_page(text, target, maps, str(model or common.run.model)))
    if json_output:
        write_line(json.dumps({"source": text, "target": target, "attention": as_json(maps)}, ensure_ascii=False))
    if html or json_output:
        return

    from nmt.cli.views.console import Page
    from nmt.cli.views.heatmap import draw

    chosen = maps[kind]
    weights = chosen.weights[number - 1]
    shown = weights[which - 1] if which else weights.mean(dim=0)
    console = Page()
    heads_shown = f"head {which} of {shape.heads}" if which else f"mean of {shape.heads} heads"
    console.print(f"{kind} attention, {KINDS[kind]}\nlayer {number} of {layers}, {heads_shown}, in percent")
    for line in draw(chosen.keys, chosen.queries, shown, color=sys.stdout.isatty(), columns=console.width):
        console.print(line, soft_wrap=True)


def _within(value: int | None, most: int, name: str) -> int | None:
    if value is not None and not 1 <= value <= most:
        raise UsageError(f"--{name} {value}: the model has {name}s 1 to {most}")
    return value

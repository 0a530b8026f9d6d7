"""`nmt import`: models of other software."""

from pathlib import Path
from typing import Annotated

import typer

from nmt.cli.options import Common, Force
from nmt.cli.output import log

Foreign = Annotated[
    Path, typer.Argument(help="Directory with a MarianMT model of Hugging Face transformers.", metavar="MODEL")
]
Output = Annotated[Path, typer.Option(help="Model directory to write; replaces an older import.")]


def _is_imported(directory: Path) -> bool:
    """Whether a directory holds nothing but an imported model."""
    from nmt.files.json import read_json
    from nmt.files.run_directory import MODEL_CONFIG, OUR_MODEL

    return OUR_MODEL(directory) and "imported" in read_json(directory / MODEL_CONFIG).get("made", {})


def import_model(common: Common, foreign: Foreign, output: Output, force: Force = False) -> None:  # noqa: ARG001
    """Convert a model of other software, such as OPUS-MT, to translate with it or to fine-tune it.

    For example:

        nmt import opus-mt-de-en --output opus
        nmt translate --model opus < input.de
        nmt prepare memory.tmx --run mine --tokenizer opus --split 500
        nmt train --run mine --init-from opus
    """
    from nmt.errors import counted
    from nmt.exchange.marian import read_marian
    from nmt.files.run_directory import check_output
    from nmt.model.model_directory import save_model

    check_output(output, _is_imported, force=force)
    config, weights, tokenizers, origin = read_marian(foreign)
    save_model(output, config, weights, tokenizers, {**origin, "step": 0})
    license_ = origin["imported"]["license"] or "not stated: see where you have it from"
    pieces = counted(config.source_vocabulary, "piece")
    log(f"wrote {output}: d {config.dim}, {config.encoder_layers}+{config.decoder_layers} layers, {pieces}")
    log(f"licence: {license_}")

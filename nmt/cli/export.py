"""`nmt export`: models for other engines."""

from collections.abc import Callable
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import typer

from nmt.cli.options import Common, Force, Model, command
from nmt.cli.output import log, warn
from nmt.config.search import SearchConfig
from nmt.errors import counted

export_app = typer.Typer(name="export", help="Convert a model for another inference engine.", no_args_is_help=True)

Output = Annotated[Path, typer.Option(help="Directory to write; replaces an older export.")]
Quantization = Annotated[
    Literal["float32", "int8", "int16", "float16", "bfloat16"], typer.Option(help="Quantization of the weights.")
]
Package = Annotated[Path, typer.Option(help="File to write, such as de-en.argosmodel; replaces an older export.")]
SourceLanguage = Annotated[str | None, typer.Option(help="Source language code.", show_default="the model's")]
TargetLanguage = Annotated[str | None, typer.Option(help="Target language code.", show_default="the model's")]
SourceName = Annotated[str | None, typer.Option(help="Name of the source language.", show_default="its code")]
TargetName = Annotated[str | None, typer.Option(help="Name of the target language.", show_default="its code")]
Sample = Annotated[
    Path | None,
    typer.Option(help="Lines that both engines translate, to compare them.", show_default="RUN/data/valid.source"),
]
PROOF_LINES = 200


def ctranslate2(
    common: Common,
    output: Output,
    model: Model = None,
    quantization: Quantization = "float32",
    sample: Sample = None,
    force: Force = False,
) -> None:
    """Write a CTranslate2 model with its SentencePiece models, and compare the translations of a sample."""
    from nmt.decoding.translator import Translator
    from nmt.exchange.ctranslate2 import export
    from nmt.model.model_files import open_model

    source = model or common.run.model
    export(open_model(source), output, quantization, force=force)
    log(f"wrote {output}: nmt translate --engine ctranslate2 --model {output}")
    search = SearchConfig(length_normalization="average", loop_guard=False)  # as both understand it

    def translate(lines: list[str]) -> list[str]:
        translations = Translator.load(output, engine="ctranslate2").translate(lines, search=search)
        return [translation.text for translation in translations]

    _compare(common, source, sample, search, translate)


def transformers(
    common: Common, output: Output, model: Model = None, sample: Sample = None, force: Force = False
) -> None:
    """Write a MarianMT model for Hugging Face transformers: post-norm, tied, with one vocabulary.

    Where transformers is installed, its greedy translations of a sample are compared with those of nmt.
    """
    from nmt.exchange.marian_export import export_marian, translate_with_transformers
    from nmt.model.model_files import open_model

    source = model or common.run.model
    export_marian(open_model(source), output, force=force)
    log(f"wrote {output}: transformers.MarianMTModel.from_pretrained({str(output)!r})")
    if find_spec("transformers"):
        search = SearchConfig(beam=1, loop_guard=False, min_length=1)
        _compare(common, source, sample, search, lambda lines: translate_with_transformers(output, lines))


def _compare(
    common: Common,
    source: Path,
    sample: Path | None,
    search: SearchConfig,
    translate: Callable[[list[str]], list[str]],
) -> None:
    """Report how many lines of a sample nmt's own engine and another one translate alike."""
    from nmt.decoding.translator import Translator
    from nmt.files.lines import read_text

    sample = sample or common.run.held_out("valid", "source")
    if not sample.exists():
        warn(f"{sample} does not exist, so nothing was compared; give a file with --sample")
        return
    lines = list(islice((line for line in read_text(sample) if line.strip()), PROOF_LINES))
    ours = Translator.load(source, engine="torch").translate(lines, search=search)
    same = sum(own.text == their for own, their in zip(ours, translate(lines), strict=True))
    share = f"{same / max(1, len(lines)):.1%}"
    log(f"both engines translate {same} of {counted(len(lines), 'line')} of {sample} alike ({share})")


def argos(
    common: Common,
    output: Package,
    model: Model = None,
    quantization: Quantization = "int8",
    source_language: SourceLanguage = None,
    target_language: TargetLanguage = None,
    source_name: SourceName = None,
    target_name: TargetName = None,
    force: Force = False,
) -> None:
    """Write a package for Argos Translate and LibreTranslate."""
    from nmt.exchange.argos import export_argos
    from nmt.model.model_files import open_model

    languages, names = (source_language, target_language), (source_name, target_name)
    export_argos(open_model(model or common.run.model), output, languages, names, quantization, force=force)
    log(f"wrote {output}: argostranslate.package.install_from_path({str(output)!r})")


command(export_app, "argos")(argos)
command(export_app, "ctranslate2")(ctranslate2)
command(export_app, "transformers")(transformers)

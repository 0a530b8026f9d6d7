"""Packages for Argos Translate and LibreTranslate, which is built on it: a model with all that it needs there.

Argos has rules of its own. It splits paragraphs into sentences by a model in the package, segments and joins the text
of both sides with one SentencePiece model, divides scores by length ** 0.2, and writes a space for `_`.
"""

import json
import re
import zipfile
from pathlib import Path

from nmt.errors import NmtError, UsageError
from nmt.exchange.ctranslate2 import converted, model_card
from nmt.exchange.sentence_splitter import sentence_splitter
from nmt.files.atomic import atomic_write
from nmt.files.run_directory import check_output
from nmt.model.model_files import ModelFiles, languages_of
from nmt.text.pair import Languages
from nmt.text.tokenizer import Tokenizers

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
_COMMENT = b"written by nmt"
_VERSION = "1.0"


def is_package(path: Path) -> bool:
    """Whether a file is a package that nmt wrote."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return archive.comment == _COMMENT


def export_argos(
    files: ModelFiles,
    output: Path,
    languages: Languages = (None, None),
    names: tuple[str | None, str | None] = (None, None),
    quantization: str = "int8",
    *,
    force: bool = False,
) -> None:
    """Write an .argosmodel; languages that are not given are those of the model, and so are their names.

    Raises UsageError where a language is not known, and NmtError for a model that Argos cannot run.
    """
    check_output(output, is_package, force=force)
    known = languages_of(files.provenance)
    source, target = languages[0] or known[0], languages[1] or known[1]
    if not (source and target):
        raise UsageError("the model does not say its languages", "give --source-language and --target-language")
    if source == target or not all(map(_LANGUAGE.fullmatch, (source, target))):
        raise UsageError(f"{source!r} and {target!r} are not two language codes", "such as de and en, or pt-BR")
    _check_decoding(files.tokenizers)
    contents = converted(files, quantization)
    source_name, target_name = names[0] or source, names[1] or target
    metadata = {"package_version": _VERSION, "argos_version": "1.9", "type": "translate", "links": []}
    metadata |= {"from_code": source, "from_name": source_name, "to_code": target, "to_name": target_name}
    entries = {f"model/{name}": content for name, content in contents.items()}
    entries |= {"metadata.json": json.dumps(metadata).encode(), "README.md": model_card(files).encode()}
    entries |= {"sentencepiece.model": files.tokenizers.source.model}
    entries |= {f"minisbd/{source}.onnx": sentence_splitter(source)}
    folder = f"translate-{source}_{target}-{_VERSION.replace('.', '_')}"
    with atomic_write(output) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = _COMMENT
        for name, content in entries.items():
            entry = zipfile.ZipInfo(f"{folder}/{name}")  # of 1980, so that equal packages have equal bytes
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content)


def _check_decoding(tokenizers: Tokenizers) -> None:
    """Raise NmtError where the source's SentencePiece model does not read pieces of the target as its own does."""
    source, target = tokenizers
    if source == target:
        return
    for piece in target.vocabulary():
        if source.decode_pieces([piece, piece]) != target.decode_pieces([piece, piece]):
            problem = (
                f"Argos has one SentencePiece model for both sides, and that of the source does not read {piece!r}"
            )
            raise NmtError(problem, "train a joint tokenizer (without --separate)")

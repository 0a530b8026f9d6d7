"""A sentence splitter as an ONNX model, in the form of MiniSBD, with which Argos Translate splits paragraphs.

Without a model in the package, MiniSBD downloads one. This one is a rule in the form of a network: a full stop, or a
question or exclamation mark, ends a sentence where white space and anything but a lower-case letter or a digit follow;
those of Chinese, Japanese, Hindi and others always; closing quotation marks and brackets belong to the sentence.

    units [batch, time] -> kinds of characters, one-hot -> convolution, ReLU -> classes [batch, time, class]
"""

import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nmt.text.scripts import base_language
from nmt.text.sentencepiece_model import encode_field
from nmt.text.sentences import LANGUAGES_WITHOUT_ORDINALS

_SPACE, _STOP, _END, _CLOSING, _LOWER, _DIGIT = range(1, 7)  # kinds; 0 are all others
_KINDS = {
    _SPACE: " ",
    _STOP: ".!?…",
    _END: "。！？｡।॥۔؟။។።",
    _CLOSING: "\"'”’»)]）」』",
    _LOWER: "".join(filter(str.islower, map(chr, range(0x61, 0x590)))),
    _DIGIT: "0123456789",
}
_RULES = (  # kinds of the character before, of this one, and of the two after it; None: any
    (None, _STOP, _SPACE),
    (_STOP, _CLOSING, _SPACE),
    (None, _END, None),
)
_CLASSES, _SENTENCE_END = 5, 2
_FLOAT, _INT64 = 1, 7  # types of tensors
_IR, _OPSET = 8, 13


def sentence_splitter(language: str) -> bytes:
    """The model file of a language, which may write ordinal numbers with a full stop.

    >>> len(sentence_splitter("de")) < 40_000
    True
    """
    kind_of = {char: kind for kind, chars in _KINDS.items() for char in chars}
    units = ["<PAD>", "<UNK>", *kind_of]
    one_hot = np.eye(_DIGIT + 1, dtype=np.float32)[[kind_of.get(unit, 0) for unit in units]]
    filters, bias = _filters(ordinals=base_language(language) not in LANGUAGES_WITHOUT_ORDINALS)
    choice = np.zeros((_CLASSES, len(_RULES), 1), np.float32)
    choice[_SENTENCE_END] = 1
    floor = np.array([0.25, 0, 0, 0, 0], np.float32)  # of the class of no end
    nodes = [
        _node("Gather", ["kinds", "units"], "one_hot"),
        _node("Transpose", ["one_hot"], "columns", perm=[0, 2, 1]),
        _node("Conv", ["columns", "filters", "bias"], "evidence", pads=[1, 2]),
        _node("Relu", ["evidence"], "rules"),
        _node("Conv", ["rules", "choice", "floor"], "rows"),
        _node("Transpose", ["rows"], "classes", perm=[0, 2, 1]),
    ]
    tensors = {"kinds": one_hot, "filters": filters, "bias": bias, "choice": choice, "floor": floor}
    graph = [encode_field(1, node) for node in nodes] + [encode_field(2, b"sentences")]
    graph += [encode_field(5, _tensor(name, value)) for name, value in tensors.items()]
    graph += [encode_field(11, _value("units", _INT64, 2)), encode_field(11, _value("features", _FLOAT, 3))]
    graph += [encode_field(12, _value("classes", _FLOAT, 3))]
    vocabulary = {"lang": language, "_id2unit": units, "_unit2id": {unit: place for place, unit in enumerate(units)}}
    settings = {"skip_newline": False, "max_seqlen": 1000, "batch_size": 32, "feat_funcs": ["capitalized"]}
    metadata = {"lang_code": language, "config": json.dumps(settings), "vocab": json.dumps(vocabulary)}
    properties = [encode_field(1, key.encode()) + encode_field(2, text.encode()) for key, text in metadata.items()]
    parts = [encode_field(1, _IR), encode_field(7, b"".join(graph)), encode_field(8, encode_field(2, _OPSET))]
    return b"".join([*parts, *(encode_field(14, entry) for entry in properties)])


def _filters(*, ordinals: bool) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """A filter [kind, 4] for each rule, over the character before to the second one after, and what it must exceed."""
    filters = np.zeros((len(_RULES), _DIGIT + 1, 4), np.float32)
    bias = np.zeros(len(_RULES), np.float32)
    for rule, kinds in enumerate(_RULES):
        for place, kind in enumerate(kinds):
            if kind is not None:
                filters[rule, kind, place] = 1
                bias[rule] -= 1
        bias[rule] += 1  # 1 where all are there, at most 0 elsewhere
        if _SPACE in kinds:
            filters[rule, [_LOWER, _DIGIT], 3] = -1
        if ordinals and kinds[0] is None:
            filters[rule, _DIGIT, 0] = -1
    return filters, bias


def _node(operator: str, inputs: Sequence[str], output: str, **attributes: list[int]) -> bytes:
    parts = [encode_field(1, name.encode()) for name in inputs]
    parts += [encode_field(2, output.encode()), encode_field(3, output.encode()), encode_field(4, operator.encode())]
    for name, values in attributes.items():
        integers = b"".join(encode_field(8, value) for value in values)
        parts.append(encode_field(5, encode_field(1, name.encode()) + integers + encode_field(20, 7)))
    return b"".join(parts)


def _tensor(name: str, value: npt.NDArray[np.float32]) -> bytes:
    sizes = b"".join(encode_field(1, size) for size in value.shape)
    return sizes + encode_field(2, _FLOAT) + encode_field(8, name.encode()) + encode_field(9, value.tobytes())


def _value(name: str, kind: int, dimensions: int) -> bytes:
    sizes = b"".join(encode_field(1, encode_field(2, f"{name}_{place}".encode())) for place in range(dimensions))
    tensor = encode_field(1, kind) + encode_field(2, sizes)
    return encode_field(1, name.encode()) + encode_field(2, encode_field(1, tensor))

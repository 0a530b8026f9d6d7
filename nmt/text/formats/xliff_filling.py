"""XLIFF files filled in place: targets that are missing, empty, or said to be untranslated, in all dialects.

In the text, private characters represent inline elements, which come back as they were written.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from nmt.errors import NmtError
from nmt.text.accelerators import take_accelerator
from nmt.text.formats.filling import Edit, Slot, apply
from nmt.text.formats.markup import CODES, Attributes, xml_encoding
from nmt.text.formats.xliff import SEGMENTS, Xliff
from nmt.text.inline_codes import PRIVATE, Kind, private_character

_TARGET_STATE = {"state": "needs-review-translation", "state-qualifier": "mt-suggestion"}  # of XLIFF 1.1 and 1.2
_SEGMENT_STATE = {"state": "translated", "subState": ""}  # of XLIFF 2
_TAG = re.compile(rb"""</?[^\s/>]+(?:[^>"']|"[^"]*"|'[^']*')*>""")
_DECLARED = re.compile(rb"""<\?xml[^>]*\sencoding\s*=\s*["']([\w.-]+)""")
_PRIVATE = re.compile(PRIVATE)
_SPACE = "http://www.w3.org/XML/1998/namespace space"
_LONGEST_GAP = 200  # bytes of white space before a source that are repeated before its target
_START = "start"  # an attribute that no inline element has
_HALVES: Mapping[str, Kind] = {"bpt": "open", "bx": "open", "sc": "open", "ept": "close", "ex": "close", "ec": "close"}


class _Element(NamedTuple):
    """An element with text: the offsets of its tags, the text, and its segments by their identifiers."""

    start: int
    content: int
    content_end: int
    end: int
    text: str
    parts: "Mapping[str, _Element]"


class _Segment(NamedTuple):
    """A segment to be filled."""

    data: bytes
    line: int
    elements: Mapping[str, _Element]  # its sides
    written: Mapping[str, str]  # inline elements, by the characters that stand for them
    state: Mapping[str, str]  # attributes of a target that is filled
    preserve: bool  # whether white space is text

    def slots(self, *, is_open: bool) -> Iterator[Slot]:
        """The places to fill, if the whole target is open, or else those of its segments that are empty."""
        source, target = self.elements["source"], self.elements.get("target")
        sources = self.elements.get("seg-source", source).parts
        if not source.text.strip():
            return
        if target and target.parts:
            shared = [(part, sources[key]) for key, part in target.parts.items() if key in sources]
            groups = [shared] if is_open else [[pair] for pair in shared if not pair[0].text.strip()]
            tag = (target.start, target.content, self._tag(target, self.state).encode())
            for group in filter(None, groups):
                targets, from_sources = zip(*group, strict=True)
                yield self._slot(from_sources, partial(self._part_edits, targets, [tag] if is_open else []))
        elif is_open:
            yield self._slot([*sources.values()] or [source], self._target_edits)

    def _slot(self, parts: Sequence[_Element], edits: Callable[[Sequence[str]], list[Edit]]) -> Slot:
        texts, marks = zip(*(take_accelerator(self._text(part)) for part in parts), strict=True)

        def fill(translations: Sequence[str]) -> list[Edit]:
            return edits([self._written(mark(text)) for mark, text in zip(marks, translations, strict=True)])

        return Slot(self.line, list(texts), fill, self._written)

    def _written(self, text: str) -> str:
        """A text as XML, with its inline elements."""
        return "".join(self.written.get(character, escape(character)) for character in text)

    def _text(self, part: _Element) -> str:
        return part.text if self.preserve else re.sub(r"\s+", " ", part.text)

    def _raw(self, start: int, end: int) -> str:
        return self.data[start:end].decode()

    def _edit(self, element: _Element, content: str, attributes: Mapping[str, str]) -> Edit:
        """Replace the content of an element, and set attributes."""
        tag = self._tag(element, attributes)
        name = re.split(r"[\s>]", tag[1:])[0]
        return element.start, element.end, f"{tag}{content}</{name}>".encode()

    def _tag(self, element: _Element, attributes: Mapping[str, str]) -> str:
        return _with_attributes(self._raw(element.start, element.content), attributes)

    def _part_edits(self, parts: Sequence[_Element], others: list[Edit], contents: Sequence[str]) -> list[Edit]:
        """Replace the contents of segments, besides other edits."""
        return [*others, *(self._edit(part, text, {}) for part, text in zip(parts, contents, strict=True))]

    def _target_edits(self, contents: Sequence[str]) -> list[Edit]:
        """Replace the target, or add one after the source."""
        source, target = self.elements["source"], self.elements.get("target")
        segmented, content = self.elements.get("seg-source", source), contents[0]
        if segmented.parts:
            edits = (self._edit(part, text, {}) for part, text in zip(segmented.parts.values(), contents, strict=True))
            moved = [(start - segmented.content, end - segmented.content, new) for start, end, new in edits]
            content = apply(self.data[segmented.content : segmented.content_end], moved).decode()
        if target:
            return [self._edit(target, content, self.state)]
        tag = re.sub(r"^<([\w.-]+:)?source.*", r"<\1target>", self._raw(source.start, source.content), flags=re.DOTALL)
        place, before = max(source.end, segmented.end), self.data[max(0, source.start - _LONGEST_GAP) : source.start]
        gap = before[len(before.rstrip()) :].decode()
        return [(place, place, f"{gap}{_with_attributes(tag, self.state)}{content}</{tag[1:]}".encode())]


class XliffFilling(Xliff):
    """The slots of an XLIFF file: its untranslated segments, or with `retranslate` all that may be translated."""

    def __init__(self, data: bytes, path: Path, *, retranslate: bool = False) -> None:
        """Raises NmtError for bytes that are not in the encoding that the file declares."""
        super().__init__(path, (None, None), keep_tags=False)
        declared = _DECLARED.match(data)
        self.charset = xml_encoding(data[:100]) or (declared[1].decode() if declared else "utf-8")
        try:
            self.data, self.encoding = data.decode(self.charset).encode(), "utf-8"
        except (UnicodeError, LookupError):
            raise NmtError(f"{path}: is not in {self.charset}, as it says", "check its XML declaration") from None
        self.retranslate, self.slots, self.version = retranslate, list[Slot](), ""
        self.spaces = dict[int, str]()  # how white space is treated, by the depth of scopes
        self.segment, self.segment_start = "", 0  # name and offset of the current one
        self.elements: dict[str, _Element] = {}
        self.side_start, self.marks = 0, dict[str, _Element]()
        self.written: dict[str, str] = {}
        self.numbers: dict[str, int] = {}  # of pairs, by what their halves refer to

    def __iter__(self) -> Iterator[Slot]:
        """Raises NmtError as Xliff does."""
        list(self.read([self.data]))
        yield from self.slots

    def filled(self, edits: Iterable[Edit]) -> bytes:
        """The file after edits, in its encoding."""
        return apply(self.data, edits).decode().encode(self.charset, "xmlcharrefreplace")

    def _begin_scope(self, name: str, attributes: Attributes) -> None:
        super()._begin_scope(name, attributes)
        depth = len(self.translate)
        self.spaces[depth] = attributes.get(_SPACE) or self.spaces.get(depth - 1, "")
        if name == "xliff":
            self.version = attributes.get("version", "")
        if any(key.rpartition(" ")[2] == "locked" and value in ("true", "locked") for key, value in attributes.items()):
            self.translate[-1] = "no"  # by memoQ or Phrase
        if name in SEGMENTS:
            self.segment, self.segment_start = name, self.parser.CurrentByteIndex
            self.elements, self.written, self.numbers = {}, {}, {}

    def _begin_side(self, name: str, attributes: Attributes) -> None:
        super()._begin_side(name, attributes)
        self.parser.CharacterDataHandler = self._add_text if self.text is not None else None
        self.spaces[0] = attributes.get(_SPACE) or self.spaces[len(self.translate)]
        self.side_start, self.marks = self.parser.CurrentByteIndex, {}

    def _add_text(self, data: str) -> None:
        """Add to the text, in which private characters of the file are inline codes, too."""
        assert self.text is not None
        self.text.append(_PRIVATE.sub(lambda match: self._represent(len(self.written), "point", match[0]), data))

    def _take_side(self, text: str) -> None:
        self.elements[self.side] = self._element(self.side_start, text, self.marks)

    def _element(self, start: int, text: str, parts: Mapping[str, _Element]) -> _Element:
        """The element from an offset on that ends here."""
        content, here = self._tag_end(start), self.parser.CurrentByteIndex
        is_empty = self.data[content - 2 : content] == b"/>"
        return _Element(start, content, *((content, content) if is_empty else (here, self._tag_end(here))), text, parts)

    def _tag_end(self, start: int) -> int:
        tag = _TAG.match(self.data, start)
        return tag.end() if tag else start

    def _open_inline(self, text: list[str], name: str, attributes: Attributes) -> None:
        self.inline.append((name, {**attributes, _START: str(self.parser.CurrentByteIndex)}, len(text)))

    def _close_inline(self, text: list[str]) -> None:
        name, attributes, length = self.inline.pop()
        element, number = self._element(int(attributes[_START]), "".join(text[length:]), {}), len(self.written)
        is_fixed = attributes.get("translate") == "no" or attributes.get("mtype") == "protected"
        if attributes.get("mtype") == "seg":
            self.marks[attributes.get("mid", "")] = element
        elif name in CODES or is_fixed or len(text) == length:
            kind = _HALVES.get(name, "point")
            key = next((attributes[key] for key in ("rid", "startRef", "id") if key in attributes), "")
            number = number if kind == "point" else self.numbers.setdefault(key, number)
            text[length:] = [self._represent(number, kind, self._raw(element.start, element.end))]
        else:
            text.insert(length, self._represent(number, "open", self._raw(element.start, element.content)))
            text.append(self._represent(number, "close", self._raw(element.content_end, element.end)))

    def _raw(self, start: int, end: int) -> str:
        return self.data[start:end].decode()

    def _represent(self, number: int, kind: Kind, written: str) -> str:
        character = private_character(number, kind)
        self.written[character] = written
        return character

    def _end_segment(self) -> None:
        line, self.unit_line = self.unit_line, 0
        target = self.elements.get("target")
        if "source" in self.elements:
            is_open = target is None or self.retranslate or self.pending or not (target.text.strip() or target.parts)
            state = _TARGET_STATE if self.segment == "trans-unit" and self.version != "1.0" else {}
            segment = _Segment(self.data, line, self.elements, self.written, state, self.spaces[0] == "preserve")
            slots = segment.slots(is_open=is_open)
            self.slots += map(self._with_state, slots) if self.segment == "segment" else slots
        self.translate.pop()

    def _with_state(self, slot: Slot) -> Slot:
        """A slot that sets the state of its segment, too, as XLIFF 2 has it."""
        start, end = self.segment_start, self._tag_end(self.segment_start)
        tag = _with_attributes(self.data[start:end].decode(), _SEGMENT_STATE).encode()
        return slot._replace(fill=lambda translations: [(start, end, tag), *slot.fill(translations)])

    def _finish(self) -> None:
        pass  # nothing needs to be translated already


def _with_attributes(tag: str, values: Mapping[str, str]) -> str:
    """A start tag with other values of some attributes; those that are empty are removed."""
    tag = re.sub(r"\s*/?>$", "", tag)
    for name, value in values.items():
        tag = re.sub(rf"""\s+{name}\s*=\s*(?:"[^"]*"|'[^']*')""", "", tag)
        tag += f' {name}="{value}"' if value else ""
    return f"{tag}>"

"""The likely encoding of text that is not UTF-8: that in which its words look like those of a language."""

import codecs
import re
import unicodedata

UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

_JAPANESE = ("CJK U", "CJK C", "HIRAGANA", "KATAKANA")
_CANDIDATES = {  # by iconv's name: codec, beginnings of the Unicode names of its letters, codec of the usual ones
    "WINDOWS-1252": ("cp1252", ("LATIN",), "cp1252"),
    "WINDOWS-1250": ("cp1250", ("LATIN",), "cp1250"),
    "WINDOWS-1251": ("cp1251", ("CYRILLIC",), "cp1251"),
    "KOI8-R": ("koi8-r", ("CYRILLIC",), "koi8-r"),
    "WINDOWS-1253": ("cp1253", ("GREEK",), "cp1253"),
    "EUC-KR": ("euc_kr", ("HANGUL S",), "iso2022_kr"),
    "CP949": ("cp949", ("HANGUL S",), "iso2022_kr"),
    "SHIFT_JIS": ("cp932", _JAPANESE, "cp932"),
    "EUC-JP": ("euc_jp", _JAPANESE, "euc_jp"),
    "GB18030": ("gb18030", ("CJK U",), "gb2312"),
    "BIG5": ("cp950", ("CJK U",), "cp950"),
}
_ENOUGH = 8192  # bytes of evidence
_PLAUSIBLE = 0.9  # fraction of the characters beyond ASCII that are usual
_VARIED = 4  # different characters that are evidence of a script other than Latin
_ACRONYM = 4  # letters of the longest: KOI8-R, read as Windows-1251, has its words in capitals


def likely_encoding(text: bytes) -> str:
    """The name that iconv has for the likely encoding of text; empty for UTF-8, and where none is plausible."""
    if len(text) > _ENOUGH:
        text = text[: text.rfind(b"\n", 0, _ENOUGH) % _ENOUGH]  # whole lines, where there is a newline
    if text.startswith(UTF16_MARKS):
        return "UTF-16"
    zeros, odd = text.count(0), text[1::2].count(0)
    if zeros >= max(4, 0.3 * len(text)) and odd in (0, zeros):
        return "UTF-16LE" if odd else "UTF-16BE"
    beyond_ascii = [character for character in text.decode("utf-8", "replace") if character > "\x7f"]
    if 2 * beyond_ascii.count("\ufffd") <= len(beyond_ascii):  # UTF-8, perhaps damaged
        return ""
    best = max(_CANDIDATES, key=lambda name: _plausibility(text, *_CANDIDATES[name]))  # the first of equals
    return best if _plausibility(text, *_CANDIDATES[best]) >= _PLAUSIBLE else ""


def _plausibility(encoded: bytes, codec: str, scripts: tuple[str, ...], core: str) -> float:
    """The fraction of characters beyond ASCII that belong to words of these scripts, or are punctuation."""
    try:
        text = codecs.getincrementaldecoder(codec)().decode(encoded)  # which may end inside a character
    except UnicodeDecodeError:
        return 0.0
    beyond_ascii = [character for character in text if character > "\x7f"]
    if scripts == ("LATIN",):  # most letters of its languages are ASCII
        fits = 2 * sum(map(str.isalpha, beyond_ascii)) <= sum(map(str.isalpha, text))
    else:  # and Japanese is never in Chinese characters alone
        kana = scripts != _JAPANESE or 10 * len(re.findall("[ぁ-ヿ]", text)) >= len(beyond_ascii)
        fits = kana and len(set(beyond_ascii)) >= _VARIED
    words = re.findall(r"[^\W\d_]+|[\W\d_]", text.encode(core, "ignore").decode(core))
    usual = "".join(word for word in words if _is_usual(word, scripts))
    return fits * sum(character > "\x7f" for character in usual) / max(1, len(beyond_ascii))


def _is_usual(word: str, scripts: tuple[str, ...]) -> bool:
    """Whether a word is in one of the scripts and not in mixed case, or a sign is one of punctuation."""
    if len(word) == 1 and (not word.isalpha() or word in "ªº"):
        return unicodedata.category(word)[0] in "PZ" or word in "€£§©®°№ªº"
    letters = [letter for letter in word if letter > "\x7f"]
    if scripts[0] in ("CYRILLIC", "GREEK") and (letters != list(word) or word[_ACRONYM:].isupper()):
        return False
    if "ÿ" in word or not (word[1:] == word[1:].lower() or word == word.upper()):  # the byte 0xff, or mixed case
        return False
    return all(unicodedata.name(letter, "").startswith(scripts) for letter in letters)

"""The script that a language is written in, if it has only one, and the fraction of it in a text."""

import re
from functools import cache

_HAN = "\u2e80-\u2fdf\u3005\u3007\u3021-\u3029\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_SCRIPTS = {
    "Latin": (
        "af ca ceb cs cy da de en eo es et eu fi fil fo fr fy ga gd gl gn haw hr ht hu id ig is it jv la lb lt lv mg "
        "mi ms mt nb nl nn no oc pl pt qu rm ro rw sk sl sm sn so sq st su sv sw tl tn to tr vi wo xh yo zu",
        "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u1e00-\u1eff\u2c60-\u2c7f\ua720-\ua7ff",
    ),
    "Greek": ("el", "\u0370-\u03ff\u1f00-\u1fff"),
    "Cyrillic": ("ba be bg ce cv ky mk os ru rue tg tt udm uk", "\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f"),
    "Armenian": ("hy", "\u0530-\u058f"),
    "Hebrew": ("he iw yi", "\u0590-\u05ff\ufb1d-\ufb4f"),
    "Arabic": ("ar arz ary fa ps ur ug", "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufeff"),
    "Devanagari": ("bho hi mai mr ne sa", "\u0900-\u097f\ua8e0-\ua8ff"),
    "Bengali": ("as bn", "\u0980-\u09ff"),
    "Gujarati": ("gu", "\u0a80-\u0aff"),
    "Odia": ("or", "\u0b00-\u0b7f"),
    "Tamil": ("ta", "\u0b80-\u0bff"),
    "Telugu": ("te", "\u0c00-\u0c7f"),
    "Kannada": ("kn", "\u0c80-\u0cff"),
    "Malayalam": ("ml", "\u0d00-\u0d7f"),
    "Sinhala": ("si", "\u0d80-\u0dff"),
    "Thai": ("th", "\u0e00-\u0e7f"),
    "Lao": ("lo", "\u0e80-\u0eff"),
    "Tibetan": ("bo dz", "\u0f00-\u0fff"),
    "Burmese": ("my", "\u1000-\u109f\uaa60-\uaa7f"),
    "Georgian": ("ka", "\u10a0-\u10ff\u1c90-\u1cbf\u2d00-\u2d2f"),
    "Ethiopic": ("am ti", "\u1200-\u139f\u2d80-\u2ddf\uab00-\uab2f"),
    "Khmer": ("km", "\u1780-\u17ff\u19e0-\u19ff"),
    "Korean": ("ko", "\u1100-\u11ff\u3130-\u318f\uac00-\ud7ff\ua960-\ua97f"),
    "Chinese": ("zh yue wuu", _HAN),
    "Japanese": ("ja", f"{_HAN}\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f"),
}
"""Language codes and characters of each script."""

_SCRIPT_OF = {code: script for script, (codes, _) in _SCRIPTS.items() for code in codes.split()}
_NO_LETTERS = re.compile(r"[\W\d_]+")


def base_language(code: str | None) -> str:
    """The language of a code without its region, in lower case; empty for None.

    >>> base_language("de-AT"), base_language("pt_BR"), base_language(None)
    ('de', 'pt', '')
    """
    return (code or "").lower().replace("_", "-").partition("-")[0]


def is_language(code: str | None, language: str | None) -> bool:
    """Whether a code names a language; a language without a region includes all its regions, and None fits any.

    >>> is_language("de-DE", "de"), is_language("DE_at", "de"), is_language("pt-BR", "pt-PT"), is_language("den", "de")
    (True, True, False, False)
    """
    if code is None or language is None:
        return True
    code, language = (tag.lower().replace("_", "-") for tag in (code, language))
    return code == language or code.startswith(f"{language}-")


def may_be_language(code: str | None, language: str | None) -> bool:
    """Whether a code may name a language, or the language what the code does: one of them may leave out the region."""
    return is_language(code, language) or is_language(language, code)


@cache
def script_of(language: str | None) -> str | None:
    """The script of a language, if it has only one; a region in the code is ignored.

    >>> script_of("ko"), script_of("de-AT"), script_of("sr"), script_of(None)
    ('Korean', 'Latin', None, None)
    """
    return _SCRIPT_OF.get(base_language(language))


@cache
def _outside(script: str) -> re.Pattern[str]:
    return re.compile(f"[^{_SCRIPTS[script][1]}]+")


def share(text: str, script: str) -> float:
    """The fraction of a text's letters that belong to a script; 1 if it has no letters.

    >>> share("Python 설치", "Korean"), share("Python 설치", "Latin"), share("3 + 4", "Latin")
    (0.25, 0.75, 1.0)
    """
    letters = len(_NO_LETTERS.sub("", text))
    return len(_outside(script).sub("", text)) / letters if letters else 1.0

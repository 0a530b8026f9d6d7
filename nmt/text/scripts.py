"""Which script a language is written in, and how much of a text is.

Only what is beyond doubt is said here: of a language with two scripts, or one that is not listed, nothing is expected.
"""

import re
from functools import cache

_RANGES = {
    "Latin": "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u1e00-\u1eff\u2c60-\u2c7f\ua720-\ua7ff",
    "Greek": "\u0370-\u03ff\u1f00-\u1fff",
    "Cyrillic": "\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f",
    "Armenian": "\u0530-\u058f",
    "Hebrew": "\u0590-\u05ff\ufb1d-\ufb4f",
    "Arabic": "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufeff",
    "Devanagari": "\u0900-\u097f\ua8e0-\ua8ff",
    "Bengali": "\u0980-\u09ff",
    "Gurmukhi": "\u0a00-\u0a7f",
    "Gujarati": "\u0a80-\u0aff",
    "Odia": "\u0b00-\u0b7f",
    "Tamil": "\u0b80-\u0bff",
    "Telugu": "\u0c00-\u0c7f",
    "Kannada": "\u0c80-\u0cff",
    "Malayalam": "\u0d00-\u0d7f",
    "Sinhala": "\u0d80-\u0dff",
    "Thai": "\u0e00-\u0e7f",
    "Lao": "\u0e80-\u0eff",
    "Tibetan": "\u0f00-\u0fff",
    "Burmese": "\u1000-\u109f\uaa60-\uaa7f",
    "Georgian": "\u10a0-\u10ff\u1c90-\u1cbf\u2d00-\u2d2f",
    "Ethiopic": "\u1200-\u139f\u2d80-\u2ddf\uab00-\uab2f",
    "Khmer": "\u1780-\u17ff\u19e0-\u19ff",
    "Korean": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7ff\ua960-\ua97f",
    "Chinese": "\u2e80-\u2fdf\u3005\u3007\u3021-\u3029\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
}
_RANGES["Japanese"] = _RANGES["Chinese"] + "\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f"

_LANGUAGES = {
    "Latin": "af ca ceb cs cy da de en eo es et eu fi fil fo fr fy ga gd gl gn haw hr ht hu id ig is it jv la lb lt lv "
    "mg mi ms mt nb nl nn no oc pl pt qu rm ro rw sk sl sm sn so sq st su sv sw tl tn to tr vi wo xh yo zu",
    "Greek": "el",
    "Cyrillic": "ba be bg ce cv ky mk os ru rue tg tt udm uk",
    "Armenian": "hy",
    "Hebrew": "he iw yi",
    "Arabic": "ar arz ary fa ps ur ug",
    "Devanagari": "bho hi mai mr ne sa",
    "Bengali": "as bn",
    "Gujarati": "gu",
    "Odia": "or",
    "Tamil": "ta",
    "Telugu": "te",
    "Kannada": "kn",
    "Malayalam": "ml",
    "Sinhala": "si",
    "Thai": "th",
    "Lao": "lo",
    "Tibetan": "bo dz",
    "Burmese": "my",
    "Georgian": "ka",
    "Ethiopic": "am ti",
    "Khmer": "km",
    "Korean": "ko",
    "Chinese": "zh yue wuu",
    "Japanese": "ja",
}
_SCRIPT_OF = {code: script for script, codes in _LANGUAGES.items() for code in codes.split()}
_NO_LETTERS = re.compile(r"[\W\d_]+")


def base_language(code: str | None) -> str:
    """A language's code without a region, in lower case; empty if there is none.

    >>> base_language("de-AT"), base_language("pt_BR"), base_language(None)
    ('de', 'pt', '')
    """
    return (code or "").lower().replace("_", "-").partition("-")[0]


@cache
def script_of(language: str | None) -> str | None:
    """The script that text in a language is written in, if that is beyond doubt; a region's code may follow.

    >>> script_of("ko"), script_of("de-AT"), script_of("sr"), script_of(None)
    ('Korean', 'Latin', None, None)
    """
    return _SCRIPT_OF.get(base_language(language))


@cache
def _outside(script: str) -> re.Pattern[str]:
    return re.compile(f"[^{_RANGES[script]}]+")


def share(text: str, script: str) -> float:
    """The share of a text's letters that belong to a script; 1 if it has none.

    >>> share("Python 설치", "Korean"), share("Python 설치", "Latin"), share("3 + 4", "Latin")
    (0.25, 0.75, 1.0)
    """
    letters = len(_NO_LETTERS.sub("", text))
    return len(_outside(script).sub("", text)) / letters if letters else 1.0

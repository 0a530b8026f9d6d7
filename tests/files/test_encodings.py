"""The likely encoding of text that is not UTF-8: by sentences whose encoding is known."""

import pytest

from nmt.files.encodings import likely_encoding

SENTENCES = {
    "de": "Die Möwen fütterten wir bloß mit übrig gebliebenem Käse.",
    "fr": "À l’école, l’élève a reçu une leçon très sévère.",
    "es": "El año pasado la niña comió más jamón y bebió té en el jardín. ¿Y tú?",
    "da": "På øen spiste vi rødgrød med fløde, og så sejlede vi hjem.",
    "pl": "Wczoraj łódź wpłynęła powoli do małej zatoki, gdzie żyją łabędzie.",
    "cs": "Ať je venku déšť nebo svítí slunce, k řece jdeme každý den.",
    "ru": "Старый рыбак чинил сети, а дети играли у самой воды.",
    "uk": "Моя бабуся пекла хліб щосуботи зранку.",
    "el": "Ο γάτος κοιμάται κάτω από το τραπέζι της κουζίνας.",
    "ko": "고양이가 부엌 창문 옆에서 낮잠을 자고 있었습니다. 아이들은 조용히 웃었다.",
    "ja": "猫が台所の窓のそばで昼寝をしていました。子どもたちは静かに笑った。",
    "zh": "小猫在厨房的窗户旁边睡着了，孩子们轻轻地笑了起来。",
    "zh-TW": "小貓在廚房的窗戶旁邊睡著了，孩子們輕輕地笑了起來。",
}


@pytest.mark.parametrize(
    ("language", "codec", "expected"),
    [
        ("de", "latin-1", "WINDOWS-1252"),  # which includes the letters of Latin-1
        ("fr", "cp1252", "WINDOWS-1252"),
        ("es", "latin-1", "WINDOWS-1252"),
        ("da", "latin-1", "WINDOWS-1252"),
        ("pl", "cp1250", "WINDOWS-1250"),
        ("cs", "cp1250", "WINDOWS-1250"),
        ("ru", "cp1251", "WINDOWS-1251"),
        ("uk", "cp1251", "WINDOWS-1251"),
        ("ru", "koi8-r", "KOI8-R"),
        ("el", "cp1253", "WINDOWS-1253"),
        ("ko", "euc_kr", "EUC-KR"),
        ("ja", "cp932", "SHIFT_JIS"),
        ("ja", "euc_jp", "EUC-JP"),
        ("zh", "gb2312", "GB18030"),
        ("zh-TW", "big5", "BIG5"),
        *((language, "utf-16", "UTF-16") for language in SENTENCES),
        *((language, "utf-8", "") for language in SENTENCES),
        ("de", "utf-16-le", "UTF-16LE"),
        ("fr", "utf-16-be", "UTF-16BE"),
    ],
)
def test_the_encoding_of_a_sentence(language: str, codec: str, expected: str) -> None:
    text = f"{SENTENCES[language]}\nOK (1)\n"
    assert likely_encoding(text.encode(codec)) == expected
    assert likely_encoding((text * 400).encode(codec)) == expected  # of which the start is enough


@pytest.mark.parametrize("language", SENTENCES)
def test_damaged_utf8_is_not_another_encoding(language: str) -> None:
    """A line that was cut off in the middle of a character: to convert its file would destroy the rest."""
    encoded = SENTENCES[language].encode()
    starts = [place for place, byte in enumerate(encoded) if byte >= 0xC0]
    for start in starts[1:]:
        assert likely_encoding(encoded[: start + 1]) == ""


@pytest.mark.parametrize("noise", [b"\xff\xfe\xfd here", b"\x80\x81\x82", b"a\xffb", b""])
def test_noise_is_of_no_encoding(noise: bytes) -> None:
    assert likely_encoding(b"A line\n" + noise) == ""

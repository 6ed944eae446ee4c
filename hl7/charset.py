"""Character sets: what MSH-18 names, and which text the bytes of a message are.

Source: HL7 v2.5.1 §2.15.9.18 and table 0211. UTF-16 and UTF-32 are not used in messages, whose delimiters are
single bytes (HL7 wiki, "Character Set used in v2 messages").
"""

import re

from hl7.errors import DATA_TYPE, HL7Error, Location, UnparseableMessage, UnsupportedCharset

MSH_18 = Location("MSH", 1, 18)
UTF_8 = "utf-8"
LATIN_1 = "iso8859-1"
ASCII = "ascii"
_NOT_OF_IT = "the bytes are not of the character set named"
# Table 0211, with the names that senders use in its place; all let ASCII be ASCII, which keeps CR and MSH
# readable.
_CODECS = {
    "ASCII": ASCII,
    "US ASCII": ASCII,
    "ISO IR6": ASCII,
    "8859/15": "iso8859-15",
    "UNICODE UTF 8": UTF_8,
    "UTF 8": UTF_8,
    "UTF8": UTF_8,
    "ISO IR192": UTF_8,
    "ISO IR100": LATIN_1,
    "LATIN1": LATIN_1,
    "WINDOWS 1250": "cp1250",
    "WINDOWS 1251": "cp1251",
    "WINDOWS 1252": "cp1252",
    "CP1250": "cp1250",
    "CP1251": "cp1251",
    "CP1252": "cp1252",
    "GB 18030 2000": "gb18030",
    "GB18030": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG 5": "big5",
    "BIG5": "big5",
    **{f"8859/{part}": f"iso8859-{part}" for part in range(1, 10)},
    **{f"ISO 8859 {part}": f"iso8859-{part}" for part in (*range(1, 10), 15)},
    **{f"ISO8859 {part}": f"iso8859-{part}" for part in (*range(1, 10), 15)},
}
_BY_CODEC = {codec: codec for codec in _CODECS.values()}
# How a codec is written into MSH-18.
NAMES = {
    ASCII: "ASCII",
    UTF_8: "UNICODE UTF-8",
    "iso8859-15": "8859/15",
    "gb18030": "GB 18030-2000",
    "euc_kr": "KS X 1001",
    "big5": "BIG-5",
    **{f"iso8859-{part}": f"8859/{part}" for part in range(1, 10)},
}


def codec_of(name: str) -> str:
    """Return Python's codec for a name of table 0211 (or for its own name).

    Raises `UnsupportedCharset` if there is none, or if it is forbidden.
    """
    if name in _BY_CODEC:
        return name
    codec = _CODECS.get(re.sub(r"[\s_-]+", " ", name.strip().upper()))
    if codec is None:
        raise UnsupportedCharset("the character set of MSH-18 is not supported", location=MSH_18)
    return codec


def decode(data: bytes, override: str | None, declared: str) -> tuple[str, str, tuple[HL7Error, ...]]:
    """Return the text of a message, its codec, and warnings.

    In this order: what the channel says, what MSH-18 says, UTF-8, and ISO 8859/1 with a warning. A message
    that says ASCII or UTF-8 and is neither is taken as what comes next. Raises `UnsupportedCharset`, or
    `UnparseableMessage` (102) if the bytes are not of the other character set that is named.
    """
    named = override or declared
    codec = codec_of(named) if named else UTF_8
    try:
        return data.decode(codec), codec, ()
    except UnicodeDecodeError:
        if codec not in (ASCII, UTF_8):
            raise UnparseableMessage(_NOT_OF_IT, code=DATA_TYPE, location=MSH_18) from None
    return _guessed(data, was_named=bool(named))


def _guessed(data: bytes, *, was_named: bool) -> tuple[str, str, tuple[HL7Error, ...]]:
    try:
        text, codec = data.decode(UTF_8), UTF_8
    except UnicodeDecodeError:
        text, codec = data.decode(LATIN_1), LATIN_1
    what = _NOT_OF_IT if was_named else "no character set is named"
    warning = HL7Error(f"{what}: read as {NAMES[codec]}", code=DATA_TYPE, location=MSH_18, severity="W")
    return text, codec, (warning,)

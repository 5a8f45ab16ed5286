"""Creative Commons licences as sources write them, and which of them a person admits (``--licence cc0,by,by-sa,pdm``).

Codes are Openverse's: the elements of the licence (``by-nc-sa``), ``cc0``, and ``pdm`` (Public Domain Mark).
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from susx.errors import ConfigError, did_you_mean
from susx.images.retrieve.candidates import Candidate

__all__ = ["CODES", "Licence", "checked_codes", "read_licence", "refuse_other_licences"]

CODES = ("cc0", "pdm", "by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd")

_ADDRESS = re.compile(
    r"(?:^|//|[\s\"'(<])(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/([a-z0-9+-]+)(?:/(\d\.\d))?[^\s\"'<>)]*"
)
_MARKUP = re.compile(r"</?[a-z][^<>]*>")
_VERSION = re.compile(r"(?<![0-9a-z.])v?(\d)[._](\d)(?![\d.])")
_COUNTRY = re.compile(r"(?<=\d[._]\d)[\s_-]+(?:igo|(?!by|nc|nd|sa)[a-z]{2})\b")
"""Behind a version: whose law a ported licence is written for."""
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-")
_WORDS = (
    (r"non[\s_-]*commercial", "nc"),
    (r"share[\s_-]*alike", "sa"),
    (r"no[\s_-]*deriv(?:ative)?s?(?:[\s_-]*works)?", "nd"),
    (r"attribution", "by"),
    (r"(?:cc|creative[\s_-]*commons)?[\s_-]*zero|\bcc[\s_-]0\b|public[\s_-]*domain[\s_-]*dedication", "cc0"),
    (r"public[\s_-]*domain(?:[\s_-]*mark)?|publicdomain|\bmark\b|\bpd\b", "pdm"),
    (r"creative[\s_-]*commons|\b(?:international|generic|unported|universal|deed|version)\b", ""),
    (r"\b(?:this work is )?licen[cs]ed under(?: an?\b| the\b)?|\blicen[cs]e\b", ""),
)
_ELEMENTS = ("by", "nc", "nd", "sa")


@dataclass(frozen=True)
class Licence:
    """One of ``CODES``, with its version where the source gives one."""

    code: str
    version: str = ""

    @property
    def name(self) -> str:
        """As Creative Commons writes it: ``CC BY-SA 4.0``."""
        spelled = {"cc0": "CC0", "pdm": "Public Domain Mark"}.get(self.code, f"CC {self.code.upper()}")
        return f"{spelled} {self.version}".strip()

    @property
    def deed(self) -> str:
        """Address of its text; "" where the version is not known."""
        if self.code in ("cc0", "pdm"):
            word = {"cc0": "zero", "pdm": "mark"}[self.code]
            return f"https://creativecommons.org/publicdomain/{word}/{self.version or '1.0'}/"
        return f"https://creativecommons.org/licenses/{self.code}/{self.version}/" if self.version else ""


@functools.lru_cache(maxsize=4096)
def read_licence(text: str | None) -> Licence | None:
    """Return the licence that an address, code or name means; None for one that is none of Creative Commons'.

    >>> [str(read_licence(t) and read_licence(t).name) for t in ("CC_BY_NC_4_0", "http://creativecommons.org/publicdomain/zero/1.0/", "MIT")]
    ['CC BY-NC 4.0', 'CC0 1.0', 'None']
    """
    lower = (text or "").strip().lower().translate(_DASHES)
    licences = [_of_address(match) for match in _ADDRESS.finditer(lower)]
    if not licences:
        return _of_words(lower)
    if (beside := _of_words(_ADDRESS.sub(" ", lower))) is not None:
        licences.append(beside)
    return licences[0] if len({licence and licence.code for licence in licences}) == 1 else None


def _of_address(match: re.Match[str]) -> Licence | None:
    word = {"zero": "cc0", "mark": "pdm", "publicdomain": "pdm"}.get(match[1], match[1])
    code = _code(word.split("-"))
    return Licence(code, match[2] or "") if code in CODES else None


def _of_words(lower: str) -> Licence | None:
    lower = _COUNTRY.sub(" ", _MARKUP.sub(" ", lower))
    version = _VERSION.search(lower)
    lower = _VERSION.sub(" ", lower)
    for pattern, word in _WORDS:
        lower = re.sub(pattern, f" {word} ", lower)
    parts = [part for part in re.split(r"[\s_.,;:/|()-]+", lower) if part and not part.isdigit()]
    code = _code([part for part in parts if part != "cc"])
    return Licence(code, ".".join(version.groups()) if version else "") if code in CODES else None


def _code(parts: Sequence[str]) -> str:
    """Return a code of its parts in the order of ``CODES``; what says CC0 may call that the public domain as well."""
    if {*parts} <= {*_ELEMENTS}:
        return "-".join(element for element in _ELEMENTS if element in parts)
    if {*parts} == {"cc0", "pdm"}:
        return "cc0"
    return "-".join(dict.fromkeys(parts))


def checked_codes(written: Iterable[str]) -> tuple[str, ...]:
    """Return codes as a person wrote them, in lower case, each once.

    Raises:
        ConfigError: one is unknown.

    >>> checked_codes(["CC-BY", "cc0"])
    ('by', 'cc0')
    """
    codes: dict[str, None] = {}
    for word in written:
        licence = read_licence(word)
        if licence is None:
            raise ConfigError(
                f"'{word}' is no licence that can be asked for; expected some of {', '.join(CODES)}.{did_you_mean(word.lower(), CODES)}"
            )
        codes[licence.code] = None
    return tuple(codes)


def refuse_other_licences(candidates: Iterable[Candidate], admitted: Iterable[str]) -> list[Candidate]:
    """Return candidates, those marked as refused whose licence is none of ``admitted`` or is not stated; all pass where it is empty."""
    codes = tuple(admitted)
    return [one if not codes or one.refused else _judged(one, codes) for one in candidates]


def _judged(candidate: Candidate, codes: tuple[str, ...]) -> Candidate:
    licence = read_licence(candidate.licence)
    if licence is not None and licence.code in codes:
        return candidate
    stated = f"Its licence is {candidate.licence}" if candidate.licence else "Its source states no licence"
    return dataclasses.replace(
        candidate, refused="licence", detail=f"{stated}; asked for were {', '.join(codes)}."
    )

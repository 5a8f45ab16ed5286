"""Licences as sources spell them: read where they say one of Creative Commons' and nothing else, and left alone where they do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from susx.images.retrieve.licences import CODES, Licence, read_licence

READ = {
    "by": ("cc by", "BY", "Attribution", "Attribution License", "cc:by", "CC BY 4", "Licensed under CC BY"),
    "by 4.0": (
        "CC-BY 4.0", "CC-BY-4.0", "CC_BY_4_0", "CC BY v4.0", "(CC BY 4.0)", "CC BY 4.0 International", "BY 4.0 \u2028", "CC BY 4.0 DEED",
        "Creative Commons Attribution 4.0 International License", "Attribution 4.0 International (CC BY 4.0)",
        "This work is licensed under a Creative Commons Attribution 4.0 International License.",
        "https://creativecommons.org/licenses/by/4.0/legalcode", "//www.creativecommons.org/licenses/by/4.0/deed.de",
    ),
    "by 3.0": ("CC BY 3.0 US", "creativecommons.org/licenses/BY/3.0/us/"),
    "by 2.0": ("Attribution 2.0", "<a href='https://creativecommons.org/licenses/by/2.0/'>CC BY</a>"),
    "by-sa": ("BY-SA", "cc_by_sa", "CC BY Share Alike"),
    "by-sa 4.0": ("CC BY\u2011SA 4.0", "CC BY\u2013SA\u20134.0", "CC-BY-SA-4.0"),
    "by-sa 3.0": ("Attribution-ShareAlike 3.0 Unported", "Creative Commons Attribution Share-Alike 3.0"),
    "by-sa 2.0": ("CC BY-SA 2.0 de", "cc-by-sa-2.0-uk"),
    "by-nc": ("Attribution-NonCommercial", "cc-nc-by", "CC  BY  NC", "CC BY\u2013NC"),
    "by-nc 4.0": ("CC BY-NC (4.0)", "CC_BY_NC_4_0", "http://creativecommons.org/licenses/by-nc/4.0/deed.de"),
    "by-nc-sa 3.0": ("CC-BY-NC-SA-3.0-IGO",),
    "by-nc-sa 4.0": ("CC BY-NC-SA 4.0 | https://creativecommons.org/licenses/by-nc-sa/4.0/",),
    "by-nc-nd": ("Creative Commons Attribution Non-Commercial No Derivatives",),
    "by-nc-nd 1.0": ("https://creativecommons.org/licenses/by-nd-nc/1.0/",),
    "by-nc-nd 3.0": ("Attribution-Noncommercial-No Derivative Works 3.0",),
    "by-nd": ("Attribution-NoDerivs License", "CC BY-ND"),
    "cc0": ("CC Zero", "cc-zero", "CC0 (public domain)", "Public Domain, CC0", "Public Domain Dedication (CC0)"),
    "cc0 1.0": (
        "CC0_1_0", "CC0-1.0", "Creative Commons Zero v1.0 Universal", "CC0 1.0 Universal (CC0 1.0) Public Domain Dedication",
        "https://creativecommons.org/publicdomain/zero/1.0/legalcode",
    ),
    "pdm": ("Public Domain", "publicdomain", "pd", "http://creativecommons.org/licenses/publicdomain/"),
    "pdm 1.0": ("PDM 1.0", "public domain mark 1.0", "https://creativecommons.org/publicdomain/mark/1.0/"),
}  # fmt: skip

NONE = (
    None, "", " ", "1", "4.0", "unknown", "MIT", "CC", "Creative Commons", "creative commons license", "no licence", "All rights reserved",
    "sampling+ 1.0", "http://creativecommons.org/licenses/nc-sampling+/1.0/", "https://creativecommons.org/licenses/nd/1.0/", "by-nd-sa",
    "not CC BY", "not public domain", "public domain (US only)", "by permission only", "Attribution required", "No known copyright restrictions",
    "CC BY or CC BY-SA", "cc0, cc-by", "GFDL and CC-BY-SA", "CC BY-NC, commercial use by permission",
    "https://evil.example/?creativecommons.org/licenses/by/4.0/", "https://notcreativecommons.org/licenses/by/4.0/",
    "https://creativecommons.org/licenses/by-nc/4.0 and https://creativecommons.org/licenses/by/4.0",
    "<a href='https://creativecommons.org/licenses/by/4.0/'>CC BY-NC 4.0</a>", "\0by",
)  # fmt: skip
"""What says no licence of Creative Commons', two of them, or one with a condition: nobody may take it for the freer one."""


@pytest.mark.parametrize(("expected", "spelling"), [(code, one) for code, all_of in READ.items() for one in all_of])  # fmt: skip
def test_spellings(expected: str, spelling: str) -> None:
    licence = read_licence(spelling)
    assert licence is not None
    assert f"{licence.code} {licence.version}".strip() == expected
    assert read_licence(f"  {spelling.upper()}\n") == licence


@pytest.mark.parametrize("spelling", NONE)
def test_what_is_none(spelling: str | None) -> None:
    assert read_licence(spelling) is None


@given(st.sampled_from(CODES), st.sampled_from(["", "1.0", "2.0", "2.5", "3.0", "4.0"]))
def test_names_and_deeds_are_read_again(code: str, version: str) -> None:
    licence = Licence(code, version)
    assert read_licence(licence.name) == licence
    if licence.deed:
        assert read_licence(licence.deed) == Licence(code, version or "1.0")


@given(st.text() | st.lists(st.sampled_from(["cc", "by", "nc", "-", " ", "4.0", "(", "zero", "http://creativecommons.org/licenses/", "/", "é"])).map("".join))  # fmt: skip
def test_any_text_is_read_or_none(text: str) -> None:
    """Nothing is raised, and what is read is one of the eight."""
    licence = read_licence(text)
    assert licence is None or licence.code in CODES

"""What the words of a marking say about TLP and PAP: never less than a reader sees, nothing where nothing is meant."""

import time
from unicodedata import name as unicode_name

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passivedns.stix.marking_text import pap, tlp
from passivedns.stix.markings import is_within, strictest

STATEMENT, SHARING = {"statement"}, {"Sharing", "statement"}
TLP_UNKNOWN = "(not a TLP that the connector knows, so it counts as the strictest)"
PAP_UNKNOWN = "(not a PAP that the connector knows, so it counts as the strictest)"

RED = {
    "Cyrillic T": "\u0422LP:RED",
    "Cyrillic": "\u0422L\u0420:R\u0415D",
    "Cyrillic small": "\u0442l\u0440:r\u0435d",
    "Greek": "\u03a4LP:R\u0395D",
    "Cherokee": "\u13a2\u13de\u13e2:\u13a1\u13ac\u13a0",
    "Lisu": "\ua4d4\ua4e1\ua4d1:\ua4e3\ua4f0\ua4d3",
    "full-width": "\uff34\uff2c\uff30\uff1a\uff32\uff25\uff24",
    "mathematical": "\U0001d413\U0001d40b\U0001d40f:\U0001d411\U0001d404\U0001d403",
    "small capitals": "\u1d1b\u029f\u1d18:\u0280\u1d07\u1d05",
    "squared": "\U0001f143\U0001f13b\U0001f13f:\U0001f141\U0001f134\U0001f133",
    "negative squared": "\U0001f183\U0001f17b\U0001f17f:\U0001f181\U0001f174\U0001f173",
    "regional": "TLP:\U0001f1f7\U0001f1ea\U0001f1e9",
    "zero width": "T\u200bL\u200cP\u200d:\u2060R\ufeffE\u00adD",
    "fillers": "T\u3164LP:R\u115fE\uffa0D",
    "accents": "TL\u0336P\u0336:R\u0336E\u0301D\u20e3",
    "stroke": "T\u0142P:R\u0247D",
    "braille blank": "TLP:\u2800RED\u2800",
    "control": "TLP\x00:R\x07ED",
    "1 for l": "T1P:RED",
}
"""Ways to write TLP:RED that look like it."""
NOT_SIMPLE = [
    *("TLP RED only", "T-L.P: RED", "TLP:RED (internal)", "internal, TLP:RED", "TLP:RED/GREEN", "T L P", "TLP"),
    *("TLP:GREEN+", "TLP2:RED", "TLP:R3D", "TLP:VVHITE", "TLP\u2236RED", "TLP|RED", "T_L_P RED", "MyTLP", "TLP1"),
    *("Traffic Light Protocol: green", "traffic-light clear", "TRAFFICLIGHT", "not TLP:GREEN"),
    *("RED (internal)", "Red (internal)", "internal: red", "RED only", "Red only", "code:RED", "Internal/RED", "R E D"),
    *("R.E.D", "RED-ish", "RED_2", "RED2", "for RED and partners", "R3D", "R\u0415D (internal)"),
    *("Clear (for release)", "WHITE/GREEN", "AMBER+STRICTER", "AMBER + STRICT (!)", "arnber only"),
    *("\u202eDER:PLT", "\u202eDER"),
]
"""Texts that mention TLP or a level, and are not simply one."""
PROSE = [
    *("red team report", "Statement: red team report", "Copyright Red Hat", "\u00a9 2026 Red Hat, Inc."),
    *("a white paper on x", "for the green energy sector", "all clear since Monday"),
]
NEUTRAL = [
    *("SECRET", "Internal", "Copyright 2026, Market LP", "Copyright 2026, AT&T L.P.", "P&T LP", "Redacted"),
    *(
        "Greenland",
        "Scarred",
        "clearance",
        "whitelist",
        "ambergris",
        "reduced",
        "Strict",
        "Paper",
        "Papua",
        "Vitamin C",
    ),
    *("\u041a\u0440\u0430\u0441\u043d\u044b\u0439", "\u79d8\u5bc6", "100", "2026-11-29", "!!!", "A1"),
]


@pytest.mark.parametrize("spelling", RED)
@pytest.mark.parametrize("kinds", [set(), {"TLP"}, STATEMENT, SHARING])
def test_lookalikes_of_tlp_red_never_pass(spelling: str, kinds: set[str]) -> None:
    assert not is_within(tlp(RED[spelling], kinds), "TLP:AMBER+STRICT")
    assert tlp(RED[spelling], kinds) is not None


@pytest.mark.parametrize("level", ["RED", "Red", "red", "\uff32\uff25\uff24", "R\u0415D", "r\u200bed", " RED\n"])
@pytest.mark.parametrize("kinds", [set(), {"TLP"}, STATEMENT, SHARING])
def test_a_level_by_itself_is_a_tlp(level: str, kinds: set[str]) -> None:
    assert tlp(level, kinds) == "TLP:RED"


@pytest.mark.parametrize("dash", "-\u2010\u2011\u2012\u2013\u2014\u2015\uff0d\ufe63+ _")
@pytest.mark.parametrize("kinds", [{"TLP"}, STATEMENT, SHARING])
def test_amber_strict_is_known_with_any_dash(dash: str, kinds: set[str]) -> None:
    assert tlp(f"Amber{dash}Strict", kinds) == "TLP:AMBER+STRICT"
    assert tlp(f"TLP:AMBER {dash} STRICT", kinds) == "TLP:AMBER+STRICT"


@pytest.mark.parametrize("text", NOT_SIMPLE)
@pytest.mark.parametrize("kinds", [set(), STATEMENT, SHARING, {"TLP"}])
def test_what_mentions_tlp_or_a_level_and_is_not_simply_one_counts_as_the_strictest(text: str, kinds: set[str]) -> None:
    assert not is_within(tlp(text, kinds), "TLP:RED") or tlp(text, kinds) == "TLP:RED"
    assert tlp(text, kinds) is not None


@pytest.mark.parametrize("text", PROSE)
def test_only_the_prose_of_a_statement_may_use_the_name_of_a_level_as_a_word(text: str) -> None:
    assert tlp(text, STATEMENT) is None
    assert str(tlp(text, SHARING)).endswith(TLP_UNKNOWN)
    assert str(tlp(text, set())).endswith(TLP_UNKNOWN)


@pytest.mark.parametrize("text", NEUTRAL)
def test_other_texts_say_nothing(text: str) -> None:
    for kinds in (set[str](), STATEMENT, SHARING):
        assert (tlp(text, kinds), pap(text, kinds)) == (None, None)


# PAP


@pytest.mark.parametrize("level", ["CLEAR", "WHITE", "GREEN", "AMBER", "RED"])
@pytest.mark.parametrize("form", ["PAP:{}", "pap_{}", "PAP {}", "PAP{}", "\u0420\u0410\u0420:{}", "P\u200bAP: {}"])
def test_a_pap_is_recognized_in_every_form(form: str, level: str) -> None:
    for kinds in (set[str](), STATEMENT, SHARING, {"PAP", "statement"}):
        assert pap(form.format(level), kinds) == f"PAP:{level}"
        assert tlp(form.format(level), kinds) is None


@pytest.mark.parametrize("level", ["RED", "red", "\uff32\uff25\uff24", "R\u0415D"])
def test_a_level_by_itself_in_a_marking_of_the_kind_pap_is_a_pap(level: str) -> None:
    assert (pap(level, {"pap", "statement"}), tlp(level, {"pap", "statement"})) == ("PAP:RED", None)
    assert pap(level, STATEMENT) is None


@pytest.mark.parametrize(
    "text", ["PAP RED only", "P.A.P: RED", "P-A.P RED", "PAP:PURPLE", "PAP", "PAP:AMBER+STRICT", "PAP:RED (internal)"]
)
def test_what_mentions_pap_and_is_not_simply_one_counts_as_the_strictest(text: str) -> None:
    for kinds in (set[str](), STATEMENT, {"PAP"}):
        assert pap(text, kinds) == f"{text} {PAP_UNKNOWN}"
        assert not is_within(pap(text, kinds), "PAP:RED")


def test_permissible_actions_in_full_are_a_pap() -> None:
    assert str(pap("Permissible Actions Protocol: green", STATEMENT)).endswith(PAP_UNKNOWN)


def test_a_text_about_both_counts_as_the_strictest_of_both() -> None:
    assert str(tlp("TLP:GREEN PAP:GREEN", STATEMENT)).endswith(TLP_UNKNOWN)
    assert str(pap("TLP:GREEN PAP:GREEN", STATEMENT)).endswith(PAP_UNKNOWN)


def test_papers_of_a_level_are_no_pap() -> None:
    assert pap("White paper (red)", SHARING) is None


@pytest.mark.parametrize(
    ("marked", "maximum", "sent"),
    [
        (None, "PAP:CLEAR", True),
        ("PAP:RED", None, True),
        ("PAP:WHITE", "PAP:CLEAR", True),
        ("PAP:AMBER", "PAP:AMBER", True),
        ("PAP:RED", "PAP:AMBER", False),
        ("PAP:AMBER", "PAP:GREEN", False),
        (f"PAP:PURPLE {PAP_UNKNOWN}", "PAP:RED", False),
    ],
)
def test_paps_are_compared(marked: str | None, maximum: str | None, sent: bool) -> None:
    assert is_within(marked, maximum) is sent


def test_the_strictest_pap_counts() -> None:
    assert strictest("PAP:GREEN", "PAP:RED", "PAP:AMBER") == "PAP:RED"


# Any text


def hidden(text: str) -> st.SearchStrategy[str]:
    """Spellings of a text with invisible characters, accents and other cases between and in its letters."""
    noise = st.text(st.sampled_from("\u200b\u200d\u2060\u00ad\u0301\u0336\ufe0f"), max_size=2)
    width = st.sampled_from([str, str.lower, lambda c: chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c])
    letters = [st.builds(lambda shape, after, c=c: shape(c) + after, width, noise) for c in text]
    return st.tuples(*letters).map("".join)


@given(spelling=hidden("TLP:RED"))
def test_noise_never_hides_a_tlp(spelling: str) -> None:
    assert tlp(spelling, STATEMENT) == "TLP:RED"


@given(spelling=hidden("PAP:RED"))
def test_noise_never_hides_a_pap(spelling: str) -> None:
    assert pap(spelling, STATEMENT) == "PAP:RED"


@given(before=st.text(max_size=20), after=st.text(max_size=20), mention=st.sampled_from(["TLP:RED", "TLP RED"]))
def test_text_around_a_tlp_never_makes_it_less_strict(before: str, after: str, mention: str) -> None:
    assert not is_within(tlp(f"{before} {mention} {after}", STATEMENT), "TLP:AMBER+STRICT")


@pytest.mark.parametrize(
    "hostile",
    [
        *("\u0301\u0316" * 200_000, "T" + "." * 400_000, "t." * 200_000, "R E D " * 70_000, "TLP" * 130_000),
        *("red-" * 100_000, "\ufdfa" * 10_000, "1" * 400_000, " " * 400_000, "\U0001d413" * 100_000),
    ],
    ids=lambda text: unicode_name(text[0], "character"),
)
def test_hostile_text_takes_linear_time(hostile: str) -> None:
    def seconds(text: str) -> float:
        begun = time.process_time()
        tlp(text, STATEMENT)
        pap(text, STATEMENT)
        return time.process_time() - begun

    seconds(hostile[:1000])
    assert seconds(hostile) < 20 * seconds(hostile[: len(hostile) // 4]) + 0.5
    assert seconds(hostile) < 10

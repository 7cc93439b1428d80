"""Reads the TLP and the PAP that the text of a marking states, in any spelling."""

import re
from collections.abc import Collection, Iterator

from passivedns.stix.confusables import fold, skeleton
from passivedns.text import one_line

_LEVELS = {fold(level): level for level in ("CLEAR", "WHITE", "GREEN", "AMBER", "RED")}
_STRICT = fold("strict")
_COLOURS = {*_LEVELS, fold("amber") + _STRICT}
_LEVEL = "|".join(_LEVELS)
_TLP = re.compile(rf"(?:tlp[\s:_-]*)?({_LEVEL}|({fold('amber')}[\s+_-]*{_STRICT}))")
_PAP = re.compile(rf"(?:pap[\s:_-]*)?({_LEVEL})")
# An underscore separates words, an ampersand does not: AT&T L.P. is a company.
_NO_WORD = re.compile(r"[^\w&]|_")
# A single letter before another one, with what stands between them: T.L.P and R E D are words.
_SPACED_OUT = re.compile(r"(?<![^\W_])(?<!&)([^\W_])(?:[^\w&]|_)++(?=[^\W_](?![^\W_]|&))")
_END_OF_PHRASE = re.compile(r"[^\w\s&]|_")
# The characters after these are shown from right to left, so that DER reads RED.
_OVERRIDES = ("\u202d", "\u202e")
_NO_DIGITS = dict.fromkeys("0123456789", " ")
_DIGITS = (str.maketrans({**_NO_DIGITS, "0": "o", "1": "l", "3": "e", "4": "a", "5": "s"}), str.maketrans(_NO_DIGITS))
"""A digit is a lookalike of a letter, as in R3D, or ends a word, as in RED2."""


def tlp(word: object, kinds: Collection[str]) -> str | None:
    """The TLP that a text states in a marking of these kinds (such as `TLP`, `PAP`, `statement`); None if it has none.

    A text states a TLP if it mentions TLP or traffic lights, if its marking is of such a kind, or if it mentions a
    level: CLEAR, WHITE, GREEN, AMBER or RED as a word of its own. It is compared by its `skeleton`, so that neither
    lookalikes nor separators hide a word: `T-L.P: R E D`. What states a TLP and is not simply one, such as
    `RED (internal)` or `TLP RED only`, is returned as a phrase with the reason, and counts as the strictest.

    Two kinds of text mention a level without stating a TLP: those about PAP, and the prose of a statement. Prose is a
    phrase of three words or more in which the level is not written in capitals: `Copyright Red Hat`, `red team report`.
    """
    text, is_tlp, is_pap = _read(word, kinds)
    if (found := _TLP.fullmatch(fold(text))) and (is_tlp or not is_pap):
        return "TLP:AMBER+STRICT" if found[2] else f"TLP:{_LEVELS[found[1]]}"
    is_prose = {kind.casefold() for kind in kinds} == {"statement"}
    if is_tlp or not isinstance(word, str) or (not is_pap and _has_level(text, is_prose=is_prose)):
        return _not_understood(word, "TLP")
    return None


def pap(word: object, kinds: Collection[str]) -> str | None:
    """The PAP that a text states in a marking of these kinds; None if neither mentions PAP. Compares like `tlp`."""
    text, _, is_pap = _read(word, kinds)
    if not is_pap:
        return None
    found = _PAP.fullmatch(fold(text))
    return f"PAP:{_LEVELS[found[1]]}" if found else _not_understood(word, "PAP")


def _not_understood(word: object, scale: str) -> str:
    return f"{one_line(str(word))} (not a {scale} that the connector knows, so it counts as the strictest)"


def _read(word: object, kinds: Collection[str]) -> tuple[str, bool, bool]:
    """The skeleton of a text, and whether it or a kind mentions TLP and PAP."""
    text = skeleton(str(word)).strip()
    spoken = [words for said in (text, *map(skeleton, kinds)) for words in _readings(said)]
    overridden = any(override in str(word) for override in _OVERRIDES)
    return text, overridden or any(map(_mentions_tlp, spoken)), any(map(_mentions_pap, spoken))


def _mentions_tlp(words: list[str]) -> bool:
    return any("tlp" in word for word in words) or fold("trafficlight") in "".join(words)


def _mentions_pap(words: list[str]) -> bool:
    spelt_out = fold("permissibleaction") in "".join(words)
    return spelt_out or any(word.startswith("pap") and word[3:] in {"", *_COLOURS} for word in words)


def _has_level(text: str, *, is_prose: bool) -> bool:
    """Whether a level is a word of the text; in prose, only in capitals or in a phrase of one or two words."""
    if not is_prose:
        return any(not _COLOURS.isdisjoint(words) for words in _readings(text))
    return any(
        fold(word) in _COLOURS and (word.isupper() or len(_words(phrase)) < 3)
        for phrase in _END_OF_PHRASE.split(_SPACED_OUT.sub(r"\1", text))
        for digits in _DIGITS
        for word in _words(phrase.translate(digits))
    )


def _readings(text: str) -> Iterator[list[str]]:
    """The words of a skeleton with digits as letters, and with digits as separators."""
    for digits in _DIGITS:
        yield [fold(word) for word in _words(text.translate(digits))]


def _words(text: str) -> list[str]:
    return _NO_WORD.sub(" ", _SPACED_OUT.sub(r"\1", text)).split()

"""Reduces text to the ASCII letters that a reader sees in it, whatever alphabet they are from."""

import re
import unicodedata

# Letters of other scripts that look like those of TLP, PAP and their levels, from confusables.txt (UTS 39, 15.1).
# Latin letters are read from their names instead.
_LOOKALIKES = {
    "a": "\u0251\u0391\u03b1\u0410\u0430\u13aa\u15c5\u237a\ua4ee",
    "b": "\u0184\u0392\u0412\u042c\u13cf\u13f4\u1472\u15af\u15f7\ua4d0\ua7b4",
    "c": "\u03f2\u03f9\u0421\u0441\u13df\u2ca4\u2ca5\ua4da\uabaf",
    "d": "\u0501\u13a0\u13e7\u146f\u15de\u15ea\ua4d2\ua4d3",
    "e": "\u0395\u0415\u0435\u04bd\u13ac\u212e\u22ff\u2d39\ua4f0",
    "g": "\u018d\u050c\u0581\u13c0\u13f3\ua4d6",
    "h": "\u0397\u041d\u04bb\u0570\u13bb\u13c2\u157c\u2c8e\ua4e7",
    "i": "\u0196\u01c0\u0269\u0399\u03b9\u0406\u0456\u04c0\u04cf\u06f1\u13a5\u16c1\u2223\u2373\u23fd\u2c92\u2d4f\ua4f2"
    "\ua647",
    "l": "\u13de\u14aa\u2cd0\ua4e1\uab75",
    "m": "\u039c\u03fa\u041c\u13b7\u15f0\u16d6\u2c98\ua4df",
    "n": "\u039d\u0578\u057c\u2c9a\ua4e0",
    "p": "\u03a1\u03c1\u0420\u0440\u13e2\u146d\u2374\u2ca2\u2ca3\ua4d1",
    "r": "\u01a6\u0433\u13a1\u13d2\u1587\u1d26\u2c85\ua4e3\uab47\uab81",
    "s": "\u01bd\u0405\u0455\u054f\u13d5\u13da\ua4e2\uabaa",
    "t": "\u03a4\u0422\u13a2\u22a4\u27d9\u2ca6\ua4d4",
    "w": "\u0461\u051c\u051d\u0561\u13b3\u13d4\ua4ea\uab83",
}
_LETTER = {lookalike: letter for letter, lookalikes in _LOOKALIKES.items() for lookalike in lookalikes}
# Such as LATIN LETTER SMALL CAPITAL R, LATIN SMALL LETTER L WITH STROKE, REGIONAL INDICATOR SYMBOL LETTER R.
_LATIN = re.compile(
    r"(?:.* )?(?:LATIN|REGIONAL).* LETTER (?:SMALL CAPITAL |DOTLESS |TURNED |OPEN )*([A-Z])(?: WITH.*)?"
)
_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0")
"""Fillers, which Unicode calls letters."""
_BLANK = "\u2800"
"""Braille without dots, which Unicode calls a symbol."""


def skeleton(text: str) -> str:
    """Text with lookalikes as ASCII letters in their case, dashes as `-`, and without accents and what is invisible.

    i and l stay apart: see `fold`. Takes linear time: it normalizes each character on its own, since Unicode's
    normalization of a text with many combining marks takes quadratic time.
    """
    return text.translate(_SKELETONS)


def fold(text: str) -> str:
    """Lower-case text in which i, l and 1 are one letter, as are 0 and o, m and rn: fonts show them alike."""
    return text.casefold().translate(_FOLDED).replace("rn", "m")


_FOLDED = str.maketrans("i10", "llo")


class _Skeletons(dict[int, str]):
    """The skeleton of each character, by code point."""

    def __missing__(self, code: int) -> str:
        self[code] = found = _of_character(chr(code))
        return found


_SKELETONS = _Skeletons()


def _of_character(character: str) -> str:
    if character.isascii() and character.isprintable():
        return character
    if character.isspace() or character == _BLANK:
        return " "
    if letter := _letter(character):
        return letter
    category = unicodedata.category(character)
    if category[0] in "CM" or character in _INVISIBLE:
        return ""
    if category == "Pd":
        return "-"
    parts = unicodedata.normalize("NFKD", character)
    return parts if parts == character else "".join(map(_of_character, parts))


def _letter(character: str) -> str:
    """The ASCII letter that a character looks like, in its case; empty if it looks like none."""
    found = next((_LETTER[form] for form in (character, character.upper(), character.lower()) if form in _LETTER), "")
    if not found and (latin := _LATIN.fullmatch(unicodedata.name(character, ""))):
        found = latin[1].lower()
    return found.upper() if character.isupper() else found

"""Finds what is configured without effect: unknown settings, those of sources that are not listed, misspelt variables.

A limit that is without effect must never pass unnoticed. Variables of other software must never stop the connector.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, get_args

from passivedns.settings.model import CHECKED, DECLARED, PLATFORM, SECTIONS, PdnsSettings
from passivedns.settings.problems import Setting, nearest, nearest_section, readable_name, title, variable
from passivedns.settings.reading import Configured, Values, is_missing
from passivedns.settings.values import Tlp
from passivedns.sources import SOURCES
from passivedns.sources.source import SourceSettings
from passivedns.text import and_list

# dnsdbq(1), section ENVIRONMENT; circleci.com/docs/variables.
_OF_OTHER_TOOLS = frozenset({"DNSDB_SERVER", "CIRCL_SERVER", "CIRCL_AUTH", "CIRCLE_USERNAME", "CIRCLE_TOKEN"})
# Of a service in the same namespace, such as OTX_PORT_80_TCP for one named otx.
_OF_KUBERNETES = re.compile(r"\w+_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)")
_STRICTNESS = {tlp: level for level, tlp in enumerate(get_args(Tlp))} | {"TLP:WHITE": 0}


class Remarks(NamedTuple):
    """Sentences about settings without effect."""

    problems: list[str]
    """Those that stop the start."""
    notices: list[str]
    """Those that the operator should know."""


def unknown_settings(configured: Configured, listed: Sequence[str]) -> Remarks:
    """What is configured in the files and the environment, and is no setting."""
    in_files = [
        f"config.yml: {section}.{readable_name(key)} is not a setting{_hint(meant)}"
        for file in configured.files
        for section, key, meant in _unknown(file.values)
    ]
    variables = _unknown_variables(configured.environment.values, listed)
    return Remarks([*in_files, *variables.problems], [*variables.notices, *_misspelt_variables(os.environ)])


def _unknown(values: Values) -> Iterator[tuple[str, str, Setting | None]]:
    """Section and key of each unknown setting, and the one that was probably meant.

    In the sections of pycti, which has many more options, only near misses count.
    """
    for section, settings in values.items():
        own = [key for name, key in DECLARED if name == section]
        for key in settings:
            meant = _meant(key, own, cutoff=0.85 if section in PLATFORM else 0.6)
            if (section, key) in CHECKED or (section in PLATFORM and not meant):
                continue
            setting = ("pdns", key) if ("pdns", key) in DECLARED else (section, meant) if meant else None
            yield section, key, setting


def _meant(key: str, known: Sequence[str], cutoff: float) -> str | None:
    """The known key with the same words in another order, or else the most similar one."""
    same = [name for name in known if sorted(name.split("_")) == sorted(key.lower().split("_"))]
    return same[0] if same else nearest(key, known, cutoff)


def _hint(meant: Setting | None) -> str:
    """The end of a sentence about an unknown setting."""
    return f"; did you mean {title(meant)}?" if meant else "."


def _unknown_variables(environment: Values, listed: Sequence[str]) -> Remarks:
    """Variables of a section that are no settings.

    Those of pdns and of a listed source stop the start. The prefixes of other sources are also used by other software
    (DNSDB_, OTX_): there, only what may be a misspelt limit does.
    """
    found = Remarks([], [])
    for section, key, meant in _unknown(environment):
        name = variable((section, readable_name(key)))
        if _OF_KUBERNETES.fullmatch(variable((section, key))):
            continue
        if name in _OF_OTHER_TOOLS:
            if section in listed:
                found.notices.append(f"{name} is a variable of dnsdbq, and no setting of this connector.")
        elif section in ("pdns", *listed) or (meant and section in SOURCES and meant[1] == "max_tlp"):
            found.problems.append(f"{name} is not a setting{_hint(meant)}")
        elif meant:
            found.notices.append(f"{name} is not a setting and is ignored{_hint(meant)}")
    return found


def unlisted_sources(values: Values, listed: Sequence[str]) -> Remarks:
    """Settings of sources that are not listed; a limit that is stricter than that of a listed source is a problem."""
    found = Remarks([], [])
    for key in [key for key in SOURCES if key not in listed]:
        given = [name for name in SOURCES[key].settings.model_fields if not is_missing(values[key].get(name))]
        if own := [variable((key, name)) for name in given if name not in SourceSettings.model_fields]:
            are, settings = ("are", "settings") if own[1:] else ("is", "setting")
            remedy = f"add it, or remove the {settings}"
            found.notices.append(f"{and_list(own)} {are} set, but PDNS_SOURCES does not list {key}: {remedy}.")
        for name in [name for name in given if name in SourceSettings.model_fields]:
            laxer = _laxer(values, key, listed) if name == "max_tlp" else ""
            remedy = f"set {variable(('pdns', name))}{laxer and f', since {laxer}'}"
            sentence = f"{variable((key, name))} limits only {key}, which PDNS_SOURCES does not list; {remedy}."
            (found.problems if laxer else found.notices).append(sentence)
    return found


def _laxer(values: Values, key: str, listed: Sequence[str]) -> str:
    """Which listed sources have a laxer limit than an unlisted one; empty if none has."""
    own = _tlp(values[key]["max_tlp"])
    default = values["pdns"].get("max_tlp") or PdnsSettings.model_fields["max_tlp"].default
    laxer: dict[str, list[str]] = {}
    for name in listed:
        limit = _tlp(values[name].get("max_tlp") or default)
        if _STRICTNESS.get(limit, len(_STRICTNESS)) > _STRICTNESS.get(own, -1):
            laxer.setdefault(f"up to {limit}" if limit in _STRICTNESS else "any TLP", []).append(name)
    return and_list([f"{and_list(names)} {'get' if names[1:] else 'gets'} {limit}" for limit, names in laxer.items()])


def _tlp(value: Any) -> str:
    text = str(value).strip().upper()
    return text if text.startswith("TLP:") else f"TLP:{text}"


def _misspelt_variables(environ: Iterable[str]) -> Iterator[str]:
    """A sentence for each variable of no section that resembles a setting, such as PASSIVEDNS_MAX_TLP."""
    for name in environ:
        is_in_section = name.lower().partition("_")[0] in SECTIONS
        if not is_in_section and name not in _OF_OTHER_TOOLS and (meant := next(_similar_settings(name), None)):
            yield f"{readable_name(name)} is not a setting and is ignored{_hint(meant)}"


def _similar_settings(name: str) -> Iterator[Setting]:
    words = re.split("[-_. ]", name.lower())
    for cut in range(1, len(words)):
        prefix, key = "".join(words[:cut]), "_".join(words[cut:])
        for section in ("pdns", *SOURCES):
            own = [known for name, known in DECLARED if name == section]
            if _is_like(prefix, section) and (meant := _meant(key, own, cutoff=0.85)):
                yield section, meant


def _is_like(prefix: str, section: str) -> bool:
    """Whether a prefix is a section, misspelt or spelt out; only long ones can be told from other software's."""
    return prefix == section or (len(section) > 3 and nearest_section(prefix, [section]) == section)

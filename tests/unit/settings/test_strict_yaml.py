"""YAML without guesses: repeated keys, numbers and tabs."""

from typing import get_args

import pytest

from passivedns.settings.model import CHECKED
from passivedns.sources import SOURCES
from tests.helpers.settings_loader import Load, complaint


def test_repeated_sections_and_keys_are_all_named_with_their_lines(load: Load) -> None:
    text = complaint(
        load,
        "pdns:\n  max_tlp: TLP:GREEN\n  max_tlp: TLP:RED\n"
        "riskiq: {username: geheim, 'username': geheim}\n"
        "pdns:\n  max_retries: 3\n",
        PDNS_MAX_RETRIES="many",
    )

    assert text.startswith("The connector cannot start: 4 settings need correcting.\n")
    assert "config.yml: pdns occurs more than once (lines 1 and 5); make them one section." in text
    assert "config.yml: pdns.max_tlp occurs more than once (lines 2 and 3); keep one." in text
    assert "config.yml: riskiq.username occurs more than once (lines 4 and 4); keep one." in text
    assert "geheim" not in text


def test_a_repeated_key_does_not_hide_what_is_missing(load: Load) -> None:
    assert "RISKIQ_API_KEY (config.yml: riskiq.api_key) is missing." in complaint(
        load, "pdns: {max_tlp: RED, max_tlp: RED}", RISKIQ_API_KEY=None
    )


def test_repeated_keys_of_other_software_and_merged_mappings_are_no_concern(load: Load) -> None:
    config = "x: {a: 1, a: 2}\nx: 3\ncommon: &common {max_retries: 3}\npdns:\n  <<: *common\n  max_retries: 5\n"

    assert load(config).lookup.pdns.max_retries == 5


@pytest.mark.parametrize("name", ["pdns.max_relationships", "pdns.max_retries", "pdns.request_timeout", "mq.port"])
@pytest.mark.parametrize("written", ["0100", "1:30", "0x40", "0b11", "1_000", "1e2", "1.5e+1", "+5", "'0100'", "0o17"])
def test_a_number_must_be_a_plain_decimal_number(load: Load, name: str, written: str) -> None:
    section, _, key = name.partition(".")

    for text in (
        complaint(load, f"{section}: {{{key}: {written}}}"),
        complaint(load, **{f"{section}_{key}".upper(): written.strip("'")}),
    ):
        assert f"({'config.yml: '}{name}) is " in text
        assert ", which is not a plain decimal number. Accepted values: " in text


NUMBERS = [
    setting for setting, field in CHECKED.items() if {int, float} & {field.annotation, *get_args(field.annotation)}
]


@pytest.mark.parametrize(("section", "key"), NUMBERS)
def test_every_number_must_be_a_plain_decimal_number(load: Load, section: str, key: str) -> None:
    sources = {"PDNS_SOURCES": section} if section in SOURCES else {}
    for written in ("010", "1e1", "1_0", "\uff11\uff10"):
        text = complaint(load, **sources | {f"{section}_{key}".upper(): written})
        assert f"{section}.{key}) is " in text


@pytest.mark.parametrize(("written", "number"), [("64", 64), ("0", 0), ("1.5", 1.5), (".5", 0.5), ("3600", 3600)])
def test_a_plain_decimal_number_is_read_as_it_is(load: Load, written: str, number: float) -> None:
    assert load(f"pdns: {{retry_backoff: {written}}}").lookup.pdns.retry_backoff == number
    assert load(PDNS_RETRY_BACKOFF=written).lookup.pdns.retry_backoff == number


@pytest.mark.parametrize("config", ["pdns:\n\tmax_tlp: RED\n", "pdns:\n  sources: otx\n\tmax_tlp: RED\n", "\tpdns: {}"])
def test_a_tab_in_the_indentation_is_named(load: Load, config: str) -> None:
    text = complaint(load, config)

    assert "config.yml: not valid YAML (line " in text
    assert "; indent with spaces, since YAML allows no tabs there." in text

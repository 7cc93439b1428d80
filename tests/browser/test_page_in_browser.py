"""The page in a real browser: its content, filters, accessibility and security."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from passivedns.model import Answer
from passivedns.report.page import page
from sandbox.sources.riskiq_data import ADDRESS, DOMAIN, own_records
from tests.helpers.saved_answers import NOW, lookup_of, seen
from tests.helpers.several_sources import lookup_at, record

pytestmark = pytest.mark.slow

HOSTILE = [
    seen("A", "ip", "192.0.2.1", "2020-01-01", "2021-01-01", "<img src=x onerror=document.title='owned'>"),
    seen("<script>document.title='owned'</script>", "ip", "192.0.2.2", None, None),
    seen(
        "SOA", "email", "'onload=alert`1`'@example.org", None, None, "</script><script>document.title='owned'</script>"
    ),
]

Show = Callable[[dict[str, list[Any]]], None]


@pytest.fixture
def show(browser: Chrome, tmp_path: Path) -> Iterator[Show]:
    """Open the page of these answers; the test fails if the browser logs an error."""

    def show_answers(answers: dict[str, list[Any]]) -> None:
        (tmp_path / "page.html").write_text(
            page([lookup_of(tmp_path, value, records) for value, records in answers.items()], NOW), encoding="utf-8"
        )
        browser.get((tmp_path / "page.html").as_uri())

    yield show_answers
    assert complaints(browser) == []


@pytest.fixture
def shown(show: Show) -> None:
    """The page of the sandbox's domain."""
    show({DOMAIN: own_records(NOW.date())[DOMAIN]})


def complaints(browser: Chrome) -> list[dict[str, Any]]:
    """The browser's log since the last call."""
    log: list[dict[str, Any]] = browser.get_log("browser")  # type: ignore[no-untyped-call]
    return log


def rows(browser: Chrome) -> list[WebElement]:
    return browser.find_elements(By.CSS_SELECTOR, "tbody tr:not([hidden])")


def column(browser: Chrome, number: int) -> list[str]:
    return [row.find_elements(By.TAG_NAME, "td")[number].text for row in rows(browser)]


def press(browser: Chrome, *keys: str) -> None:
    ActionChains(browser).send_keys(*keys).perform()


def tab_to(browser: Chrome, text: str) -> WebElement:
    """Press Tab until the element with this text has the focus."""
    for _ in range(60):
        press(browser, Keys.TAB)
        focused = browser.switch_to.active_element
        if text in (focused.text, focused.get_attribute("value"), focused.get_attribute("aria-label")):
            return focused
    raise AssertionError(f"{text} cannot be reached with Tab")


BAR = "const bar = getComputedStyle(arguments[0], '::before'); return [bar.left, bar.width].map(parseFloat)"


@pytest.mark.usefixtures("shown")
def test_every_bar_matches_its_dates(browser: Chrome) -> None:
    cells = browser.find_elements(By.CSS_SELECTOR, "td.line")
    assert len(cells) == 13
    for row, cell in zip(rows(browser), cells, strict=True):
        left, width = browser.execute_script(BAR, cell)
        assert left >= 0
        assert left + width <= cell.rect["width"] + 0.5
        if "mx1.example.net" in row.text:
            assert width / cell.rect["width"] == pytest.approx(699 / 900.5, abs=0.01)


@pytest.mark.usefixtures("shown")
def test_the_timeline_takes_half_of_the_width(browser: Chrome) -> None:
    cell, table = (browser.find_element(By.CSS_SELECTOR, selector) for selector in ("td.line", "table"))
    assert cell.rect["width"] / table.rect["width"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.usefixtures("shown")
def test_no_heading_touches_the_next_one(browser: Chrome) -> None:
    for button in browser.find_elements(By.CSS_SELECTOR, "th button"):
        assert button.rect["width"] + 4 <= button.find_element(By.XPATH, "..").rect["width"], button.text


@pytest.mark.usefixtures("shown")
def test_a_bar_shows_its_times_of_day_on_hover(browser: Chrome) -> None:
    cell = browser.find_element(By.CSS_SELECTOR, "td.line")
    ActionChains(browser).move_to_element(cell).perform()
    day = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    assert re.fullmatch(f"{day} to {day}", cell.get_attribute("title") or "")


@pytest.mark.usefixtures("shown")
def test_the_text_filter_keeps_rows_that_contain_the_text(browser: Chrome) -> None:
    browser.find_element(By.CSS_SELECTOR, "input[type=search]").send_keys("NS")
    assert column(browser, 1) == ["ns2.example.net", "ns1.example.net"]
    assert browser.find_element(By.CSS_SELECTOR, "output").text == "2 of 13"


def test_the_text_filter_matches_sources(browser: Chrome, tmp_path: Path) -> None:
    answers = {key: Answer([record(key, f"192.0.2.{number}")]) for number, key in enumerate(("first", "second"))}
    (tmp_path / "page.html").write_text(page([lookup_at(answers)], NOW), encoding="utf-8")
    browser.get((tmp_path / "page.html").as_uri())
    browser.find_element(By.CSS_SELECTOR, "input[type=search]").send_keys("second")
    assert column(browser, 1) == ["192.0.2.1"]


@pytest.mark.usefixtures("shown")
def test_a_row_is_shown_while_one_of_its_record_types_is_selected(browser: Chrome) -> None:
    for box in browser.find_elements(By.CSS_SELECTOR, "input[type=checkbox]"):
        if box.get_attribute("value") != "SOA":
            box.click()
    assert column(browser, 0) == ["NS, SOA", "SOA"]


@pytest.mark.usefixtures("shown")
def test_the_keyboard_is_enough_to_sort_and_filter(browser: Chrome) -> None:
    header = tab_to(browser, "Value").find_element(By.XPATH, "..")
    press(browser, Keys.ENTER)
    assert header.get_attribute("aria-sort") == "ascending"
    values = column(browser, 1)
    assert values[:3] == ["192.0.2.10", "192.0.2.11", "198.51.100.7"]
    press(browser, Keys.SPACE)
    assert header.get_attribute("aria-sort") == "descending"
    assert column(browser, 1) == values[::-1]
    assert len(browser.find_elements(By.CSS_SELECTOR, "[aria-sort]")) == 1


def test_addresses_are_sorted_numerically_before_names(browser: Chrome, show: Show) -> None:
    values = ["2001:db8::a", "192.0.2.10", "9.0.0.1", "2001:db8::9", "2001:db8::1:0", "11.0.0.1", "192.0.2.9"]
    records = [seen("AAAA" if ":" in value else "A", "ip", value, None, None) for value in values]
    names = [seen("NS", "domain", f"ns{number}.example.net", None, None) for number in (10, 9)]
    show({DOMAIN: [*records, *names]})
    browser.find_elements(By.CSS_SELECTOR, "th button")[1].click()
    assert column(browser, 1) == [
        *("9.0.0.1", "11.0.0.1", "192.0.2.9", "192.0.2.10"),
        *("2001:db8::9", "2001:db8::a", "2001:db8::1:0"),
        *("ns9.example.net", "ns10.example.net"),
    ]


def test_the_date_filter_keeps_rows_whose_period_contains_the_date(browser: Chrome, show: Show) -> None:
    dates = [("2020-01-01", "2020-03-01"), ("2020-02-02 23:00", "2020-02-02 23:59"), ("2020-02-03", "2021-01-01")]
    records = [seen("A", "ip", f"192.0.2.{number}", *pair) for number, pair in enumerate([*dates, (None, None)])]
    show({DOMAIN: records})
    browser.execute_script(
        "const date = document.querySelector('input[type=date]'); date.value = '2020-02-02';"
        "date.dispatchEvent(new Event('input', { bubbles: true }))"
    )
    assert sorted(column(browser, 1)) == ["192.0.2.0", "192.0.2.1"]


@pytest.mark.usefixtures("shown")
def test_every_control_has_a_name_and_shows_the_focus(browser: Chrome) -> None:
    for element in browser.find_elements(By.CSS_SELECTOR, "button, input, [tabindex], summary"):
        assert element.accessible_name, element.get_attribute("outerHTML")
    focused = tab_to(browser, "Value")
    assert focused.value_of_css_property("outline-style") == "solid"


def contrast(browser: Chrome, selector: str) -> float:
    """The contrast of a text with the background of the card (WCAG 2.2 section 1.4.3)."""
    element = browser.find_element(By.CSS_SELECTOR, selector)
    card = browser.find_element(By.CSS_SELECTOR, ".lookup")
    colours = (element.value_of_css_property("color"), card.value_of_css_property("background-color"))
    lighter, darker = sorted((luminance(colour) for colour in colours), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour.partition("(")[2].split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.fixture(params=["light", "dark"])
def scheme(browser: Chrome, request: pytest.FixtureRequest) -> Iterator[str]:
    """The colour scheme that the user prefers."""
    features = [{"name": "prefers-color-scheme", "value": request.param}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    yield request.param
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.usefixtures("shown")
def test_text_has_enough_contrast_in_both_colour_schemes(browser: Chrome, scheme: str, tmp_path: Path) -> None:
    for selector in ("h1", ".what", "td.value", "td.sources", ".tick", ".today", "output", "th button"):
        assert contrast(browser, selector) > 4.5, selector
    ground = browser.find_element(By.TAG_NAME, "body").value_of_css_property("background-color")
    assert (luminance(ground) < 0.1) == (scheme == "dark")
    browser.save_screenshot(str(tmp_path / f"{scheme}.png"))


def test_hostile_values_are_shown_as_text_and_never_run(browser: Chrome, show: Show) -> None:
    show({DOMAIN: HOSTILE})
    browser.find_element(By.TAG_NAME, "summary").click()
    assert "owned" not in browser.title
    text = browser.find_element(By.TAG_NAME, "body").text
    for value in ("<img src=x onerror=document.title='owned'>", "<script>document.title='owned'", "'onload=alert`1`'@"):
        assert value in text
    assert browser.find_elements(By.TAG_NAME, "img") == []
    assert len(browser.find_elements(By.TAG_NAME, "script")) == 1


def test_an_injected_script_would_not_run(browser: Chrome, show: Show) -> None:
    show({DOMAIN: HOSTILE})
    add = "const s = document.createElement('script'); s.text = \"document.title = 'owned'\"; document.body.append(s)"
    browser.execute_script(add)
    assert "owned" not in browser.title
    (refusal,) = complaints(browser)
    assert "Content Security Policy" in refusal["message"]


def test_without_javascript_the_page_shows_everything(browser: Chrome, show: Show) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        show({DOMAIN: own_records(NOW.date())[DOMAIN]})
        assert len(rows(browser)) == 13
        assert all(row.is_displayed() for row in rows(browser))
        assert not browser.find_element(By.CSS_SELECTOR, ".filter").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_each_look_up_has_its_own_filter(browser: Chrome, show: Show) -> None:
    answers = own_records(NOW.date())
    show({DOMAIN: answers[DOMAIN], ADDRESS: answers[ADDRESS]})
    first, second = browser.find_elements(By.CLASS_NAME, "lookup")
    first.find_element(By.CSS_SELECTOR, "input[type=search]").send_keys("nothing like this")
    assert first.find_element(By.CSS_SELECTOR, "output").text == "0 of 13"
    assert second.find_element(By.CSS_SELECTOR, "output").text == "5 of 5"


@pytest.fixture
def thousands(show: Show) -> None:
    """The page of an address with 7,000 names."""
    names = [f"host{number}.example.org" for number in range(7000)]
    show({ADDRESS: [seen("A", "domain", name, "2020-01-01", "2021-01-01", "riskiq") for name in names]})


def took(browser: Chrome, script: str) -> float:
    """Milliseconds to run a script and lay out the page again."""
    found: float = browser.execute_script(
        f"const start = performance.now(); {script}; document.body.offsetHeight; return performance.now() - start"
    )
    return found


@pytest.mark.usefixtures("thousands")
def test_thousands_of_rows_are_filtered_while_typing(browser: Chrome) -> None:
    typed = "search.value = 'host6999'; search.dispatchEvent(new Event('input', { bubbles: true }))"
    assert took(browser, f"const search = document.querySelector('input[type=search]'); {typed}") < 500
    assert column(browser, 1) == ["host6999.example.org"]


@pytest.mark.usefixtures("thousands")
def test_only_visible_rows_of_thousands_are_drawn(browser: Chrome) -> None:
    drawn = "return [...document.querySelectorAll('td.value')].filter((cell) => cell.checkVisibility({ %s })).length"
    assert browser.execute_script(drawn % "") == 7000
    assert browser.execute_script(drawn % "contentVisibilityAuto: true") < 200


@pytest.mark.usefixtures("thousands")
def test_the_header_of_a_long_table_stays_visible(browser: Chrome) -> None:
    browser.execute_script("document.documentElement.style.scrollBehavior = 'auto'; scrollTo(0, 20000)")
    top = browser.execute_script("return document.querySelector('thead').getBoundingClientRect().top")
    assert top == pytest.approx(0, abs=1)


@pytest.mark.parametrize("width", [400, 800])
@pytest.mark.usefixtures("shown")
def test_on_a_narrow_screen_the_table_scrolls_but_not_the_page(browser: Chrome, width: int) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.usefixtures("thousands")
def test_every_row_is_printed(browser: Chrome) -> None:
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        drawn = "return [...document.querySelectorAll('td.value')].filter((cell) => cell.checkVisibility(%s)).length"
        assert browser.execute_script(drawn % "{ contentVisibilityAuto: true }") == 7000
        box = browser.find_element(By.CLASS_NAME, "scroll")
        assert box.value_of_css_property("max-height") == "none"
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})

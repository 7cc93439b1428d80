"""The pictures of the report show the current page; without a browser they stay as they are."""

import re
import shutil
from pathlib import Path

import pytest

from docs import drawing, generate, screenshots
from passivedns.settings.reading import PROJECT_ROOT

NAMES = ["docs/pictures/report-light.png", "docs/pictures/report-dark.png"]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A folder with pictures of another page."""
    (tmp_path / "docs/pictures").mkdir(parents=True)
    for name in NAMES:
        picture = screenshots.marked((PROJECT_ROOT / name).read_bytes(), "another page")
        (tmp_path / name).write_bytes(picture)
    return tmp_path


def test_no_picture_of_the_report_is_stale() -> None:
    assert generate.stale_pictures(PROJECT_ROOT) == {}


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_of_the_report_is_small_and_shown_in_the_readme(name: str) -> None:
    assert (PROJECT_ROOT / name).stat().st_size < 150_000
    assert name in (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")


def test_a_picture_of_another_page_is_stale_and_so_is_a_missing_one(old: Path) -> None:
    assert list(generate.stale_pictures(old)) == NAMES
    (old / NAMES[0]).unlink()
    assert list(generate.stale_pictures(old)) == NAMES


def test_a_picture_of_the_same_page_from_another_browser_is_not_stale() -> None:
    drawn_otherwise = screenshots.marked((PROJECT_ROOT / NAMES[1]).read_bytes(), drawing.report_page())
    assert screenshots.is_of(drawn_otherwise, drawing.report_page())


def test_without_a_browser_the_pictures_stay_and_a_message_says_so(
    old: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(screenshots, "chromium", lambda: None)
    before = [(old / name).read_bytes() for name in NAMES]
    generate._take(generate.stale_pictures(old), old)
    assert [(old / name).read_bytes() for name in NAMES] == before
    said = capsys.readouterr().err
    assert said == "".join(f"{name} stays as it is: Chromium is not installed.\n" for name in NAMES)


@pytest.mark.parametrize("browser", ["/bin/false", "/no/such/browser"])
def test_a_failing_browser_leaves_the_pictures_as_they_are(
    old: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], browser: str
) -> None:
    monkeypatch.setattr(screenshots, "chromium", lambda: browser)
    generate._take(generate.stale_pictures(old), old)
    assert capsys.readouterr().err.count(" stays as it is: ") == len(NAMES)


@pytest.mark.skipif(not shutil.which("chromium"), reason="Chromium is not installed")
def test_stale_pictures_are_replaced_in_light_and_dark_mode(old: Path) -> None:
    generate._take(generate.stale_pictures(old), old)
    assert generate.stale_pictures(old) == {}
    light, dark = ((old / name).read_bytes() for name in NAMES)
    assert light != dark
    assert re.match(rb"\x89PNG\r\n\x1a\n....IHDR", light, re.DOTALL)

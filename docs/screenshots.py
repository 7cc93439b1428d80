"""Takes screenshots of a page with Chromium; each PNG contains the digest of its page."""

import hashlib
import shutil
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

SCHEMES = {"light": 1, "dark": 0}
"""Chromium's numbers for the preferred color scheme."""
_SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking"),
    "--window-size=1280,790",
)
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEY = b"page"


def chromium() -> str | None:
    """The path of Chromium, if it is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def screenshot(browser: str, page: str, scheme: str) -> bytes:
    """A screenshot of the page in a color scheme, with the digest that `is_of` checks.

    Raises:
        OSError, subprocess.SubprocessError: the browser fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, picture = Path(folder, "page.html"), Path(folder, "page.png")
        source.write_text(page, encoding="utf-8")
        own = (f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}", f"--user-data-dir={folder}/profile")
        command = [browser, *_SWITCHES, *own, f"--screenshot={picture}", source.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603  # nothing from outside
        return marked(picture.read_bytes(), page)


def is_of(picture: bytes, page: str) -> bool:
    """Whether a picture shows this page; the pixels differ between browsers, so the digest decides."""
    return (b"tEXt", _mark(page)) in _chunks(picture)


def _mark(page: str) -> bytes:
    return _KEY + b"\0" + hashlib.sha256(page.encode()).hexdigest().encode()


def marked(picture: bytes, page: str) -> bytes:
    """The picture with the digest of its page as a text chunk after the header."""
    header, *rest = [chunk for chunk in _chunks(picture) if chunk[0] != b"tEXt"]
    chunks = [header, (b"tEXt", _mark(page)), *rest]
    return _SIGNATURE + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG: type and content."""
    place = len(_SIGNATURE)
    while place < len(picture):
        (length,) = struct.unpack_from(">I", picture, place)
        yield picture[place + 4 : place + 8], picture[place + 8 : place + 8 + length]
        place += length + 12


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

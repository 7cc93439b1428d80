"""Reads rows in the Common Output Format of passive DNS (COF), in all known dialects.

Sources: draft-dulaunoy-dnsop-passive-dns-cof-13, recorded answers of CIRCL, D4, balboa, DNSDB, mnemonic, Robtex and
Validin, and the code of D4's analyzer-d4-passivedns and of DCSO's balboa.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from passivedns.formats import dates, rdata
from passivedns.formats.json_body import rows_of, text
from passivedns.formats.paging import has_errors, is_last
from passivedns.formats.tolerant_json import MAX_ROWS
from passivedns.model import Answer, Record
from passivedns.transport.reply import Reply
from passivedns.transport.service import Service

KEYS = ("dns", "data")
"""The fields under which documents have rows: Validin's, and those of mnemonic and of D4's fork."""

_ADDRESSES = ("A", "AAAA")


class Page(NamedTuple):
    """The rows of one page."""

    records: list[Record]
    """One per text in the data of a row, as sent: the fields may be swapped, the data have all their fields."""
    unreadable: int = 0
    """Rows, and items of data, that cannot be read."""
    number: int = 0
    """Rows, including unreadable ones."""
    cut: bool = False
    """Whether the body may have more rows than were read."""
    origins: int = 0
    """Rows with an origin, which D4 and CIRCL send, and balboa does not."""
    fields: Mapping[str, Any] = {}
    """What the body says beside the rows."""
    headers: Mapping[str, str] = {}
    """The headers of the reply, unless it was saved."""
    certain: bool = True
    """False if an empty success may be a lost answer."""


def reply_of(service: Service, reply: Reply, to_cof: Callable[[Any], Any] = lambda row: row) -> Page:
    """The rows of a reply; for the rest see `page_of`."""
    page = page_of(service, reply.body, to_cof)
    certain = not reply.is_blank or reply.status in (204, 404)
    return page._replace(cut=page.cut or reply.cut, headers=reply.headers, certain=certain)


def page_of(service: Service, body: bytes, to_cof: Callable[[Any], Any] = lambda row: row) -> Page:
    """The rows of a body; `to_cof` converts those of another format.

    Raises:
        BadAnswer: the body is a web page.
    """
    rows = rows_of(service, body, *KEYS)
    page = read_entries(map(to_cof, rows), service.key)
    return page._replace(number=rows.number, cut=page.cut or rows.cut, fields=rows.fields)


def read_entries(entries: Iterable[Any], source: str) -> Page:
    """Reads rows, at most `MAX_ROWS` and as many texts in their data."""
    records: list[Record] = []
    unreadable = origins = 0
    for entry in entries:
        room = MAX_ROWS - len(records)
        found, left = _records(entry, source, room)
        records += found[:room]
        if len(found) > room:
            return Page(records, unreadable, cut=True, origins=origins)
        unreadable += left
        origins += isinstance(entry, dict) and "origin" in entry
    return Page(records, unreadable, origins=origins)


def _records(entry: Any, source: str, room: int) -> tuple[list[Record], int]:
    """A record for each text in the data, and the number of unreadable items; one too many if there is no room."""
    if not isinstance(entry, dict):
        return [], 1
    get = entry.get
    items = _items(get("rrdata") if get("rdata") is None else get("rdata"))
    name, kind = text(get("rrname")), rdata.record_type(get("rrtype"))
    data = list(filter(None, map(text, items[: room + 1]))) if name and kind else []
    first, last = dates.span(get("time_first") or get("zone_time_first"), get("time_last") or get("zone_time_last"))
    sensors = _sensors(entry)
    return [Record(name, kind, each, first, last, sensors, source) for each in data], len(items) - len(data)


def _items(data: Any) -> Sequence[Any]:
    """The data of a row as a list, which is never empty."""
    return data if data and isinstance(data, list) else [data]


def _sensors(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """The sensor, or else the host of the origin, which is a URL or a placeholder (D4)."""
    sensor, origin = entry.get("sensor_id"), entry.get("origin")
    if sensor is None and origin is None:
        return ()
    if sensor is None and isinstance(origin, str):
        sensor = origin.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return rdata.sensors([sensor])


def answer_of(service: Service, *pages: Page, swapped: bool | None = None) -> Answer:
    """The answer in all pages of a response; `swapped` as for `in_order`.

    Raises:
        BadAnswer: none of the rows can be read.
    """
    sent = [record for page in pages for record in page.records]
    records, unreadable = targets_of(sent if swapped is None else in_order(sent, swapped))
    unreadable += sum(page.unreadable for page in pages)
    is_cut = any(page.cut for page in pages)
    if (unreadable or is_cut) and not records:
        raise service.unexpected("contains nothing in the Common Output Format")
    return Answer(records, complete=not is_cut and _is_whole(pages), unreadable=unreadable)


def _is_whole(pages: Sequence[Page]) -> bool:
    """Whether the last page is the last one that the source has, and none reports an error."""
    number = sum(page.number for page in pages)
    *others, last = pages
    return is_last(last.headers, last.fields, number) and not any(has_errors(page.headers) for page in others)


def targets_of(sent: Iterable[Record]) -> tuple[list[Record], int]:
    """A record for each name, address or mailbox in the data, and the number of records without one."""
    records: list[Record] = []
    unreadable = 0
    for record in sent:
        targets = rdata.names_and_addresses(record.type, record.data)
        records += [record if data is record.data else record._replace(data=data) for data in targets]
        unreadable += not targets
    return records, unreadable


def in_order(sent: Sequence[Record], swapped: bool) -> list[Record]:
    """Records of a service that may swap `rrname` and `rdata`, with both where they belong.

    Only the type of a row shows its order, since the owner of a zone chooses its names: a row with one address shows
    its own. Others follow the majority of these rows, else of MX and SOA; `swapped` is the order without a majority.
    """
    shown = [_is_swapped(record) for record in sent]
    by_address = [own if record.type in _ADDRESSES else None for own, record in zip(shown, sent, strict=True)]
    votes = Counter(by_address if any(own is not None for own in by_address) else shown)
    lead = votes[True] - votes[False]
    usual = lead > 0 if lead else swapped
    return [
        _swap(*record) if (usual if own is None else own) else record
        for own, record in zip(by_address, sent, strict=True)
    ]


def _swap(name: str, kind: str, data: str, *others: Any) -> Record:
    return Record(data, kind, name, *others)


def _is_swapped(record: Record) -> bool | None:
    """Whether a row has its data in `rrname`, by its type; None if it does not show."""
    if record.type in _ADDRESSES:
        name, data = rdata.is_address(record.name), rdata.is_address(record.data)
    elif record.type in ("MX", "SOA"):
        name, data = rdata.has_form(record.type, record.name), rdata.has_form(record.type, record.data)
    else:
        return None
    return None if name == data else name

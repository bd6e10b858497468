"""CSV as spreadsheets, editors and databases write it, to rows of a register.

A row is a line. Quoted cells may hold the delimiter and quotes, and not a line's end: one lost
quote would otherwise swallow all that follows, and every message would name the wrong line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from wattline_agents.errors import InputError
from wattline_agents.nearest import instead
from wattline_collector.imports import files
from wattline_collector.registers import cells
from wattline_collector.registers.cells import Setting, shown
from wattline_collector.registers.declare import Malformed, Register
from wattline_collector.registers.taken import Taken

MOST_BYTES = 64 * 2**20
"""Of one file: the largest register allowed, with long texts."""
_MOST_LINE_BYTES = 64 * 1024
_MOST_COLUMNS = 200
_DELIMITERS = ",;\t"
REASON = ("damaged_line", "damaged_reason")
"""What a file of damaged rows has beside the columns of the original."""
_MARK = b"\xef\xbb\xbf"


def read(path: Path, register: Register, setting: Setting) -> Taken:
    """Read a file.

    Raises:
        InputError: It cannot be read, is no text, or its header is not the register's.
    """
    with files.opened(path) as stream:
        return taken(_lines(stream.read(MOST_BYTES + 1), path), path, register, setting)


def taken(
    lines: Iterator[tuple[int, bytes]], path: Path, register: Register, setting: Setting
) -> Taken:
    """Read numbered lines: header and rows; comments and empty lines are passed over.

    Raises:
        InputError: There is no header, or it is not the register's.
    """
    result = Taken(register, str(path))
    told: str | None = None
    for number, line in lines:
        text = line.decode("utf-8", errors="replace").rstrip("\r\n")
        if not text.strip(f" {_DELIMITERS}") or text.lstrip(' "').startswith("#"):
            continue
        if not result.header:
            if told is None and text.lower().startswith("sep=") and len(text) == 5:
                told = text[4]  # what spreadsheets are told by
                continue
            _header(text, number, told, result)
        else:
            _row(line, text, number, result, setting)
    if not result.header:
        raise InputError(
            "holds no header; `wattline import --template"
            f" {register.name}` prints one with an explanation",
            path=path,
        )
    return result


def split(text: str, delimiter: str) -> list[str]:
    """The cells of a line.

    Raises:
        Malformed: Its quotes do not match, or a cell is absurdly long.
    """
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        if "unexpected end" in str(error):
            reason = "a quoted cell does not end on its line"
        elif "expected after" in str(error):
            reason = "text follows a quoted cell; inside of quotes, write a quote twice"
        else:
            reason = f"is not CSV: {error}"
        raise Malformed(None, reason) from None


def _lines(data: bytes, path: Path) -> Iterator[tuple[int, bytes]]:
    if len(data) > MOST_BYTES:
        raise InputError(f"is larger than {MOST_BYTES} bytes", path=path)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError("is UTF-16; save it as CSV in UTF-8", path=path)
    if data[:4] == b"PK\x03\x04":
        raise InputError("is a spreadsheet or an archive; save the table as CSV", path=path)
    # Lines end as they did where the file was written; of old spreadsheets with CR alone.
    whole = data.removeprefix(_MARK).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    yield from enumerate(whole.split(b"\n"), start=1)


def _header(text: str, line: int, told: str | None, result: Taken) -> None:
    register = result.register
    known = register.by_name
    # Of what could be between cells, that which makes the most known names.
    best: tuple[int, str, list[str]] = (-1, ",", [])
    for delimiter in [told] if told is not None else _DELIMITERS:
        try:
            names = [_plain(cell) for cell in split(text, delimiter)]
        except Malformed:
            continue
        found = sum(name in known for name in names)
        if found > best[0]:
            best = (found, delimiter, names)
    _, result.delimiter, names = best
    while names and not names[-1]:
        names.pop()
    if best[0] < 1 or len(names) > _MOST_COLUMNS:
        raise InputError(
            f"is no header of {register.name}: {shown(text)}; `wattline import --template"
            f" {register.name}` prints one",
            path=result.origin, line=line,
        )  # fmt: skip
    for place, name in enumerate(names):
        if name in names[:place]:
            raise InputError("stands twice in the header", path=result.origin, line=line,
                             field=files.shown(name))  # fmt: skip
        if name not in known and (hint := instead(name, known)).startswith("did you mean"):
            raise InputError(f"no such column; {hint}", path=result.origin, line=line,
                             field=files.shown(name))  # fmt: skip
    for column in register.columns:
        if column.required and column.name not in names:
            raise InputError("missing in the header, and every row needs it", path=result.origin,
                             line=line, field=column.name)  # fmt: skip
    result.header = tuple(names)
    unkept = [name for name in names if name not in known and name not in REASON]
    result.unkept = tuple(map(files.shown, unkept))


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


def _row(line: bytes, text: str, number: int, result: Taken, setting: Setting) -> None:
    row: Sequence[str] = (text[:_MOST_LINE_BYTES],)
    try:
        if len(line) > _MOST_LINE_BYTES:
            raise Malformed(None, f"is longer than {_MOST_LINE_BYTES} bytes")
        if "\ufffd" in text and b"\xef\xbf\xbd" not in line:
            raise Malformed(None, "is not UTF-8; save the file as CSV in UTF-8")
        row = split(text, result.delimiter)
        width = len(result.header)
        if len(row) < width or any(cell.strip() for cell in row[width:]):
            hint = ""
            if len(row) > width:
                hint = "; a cell that holds the delimiter stands in double quotes"
            raise Malformed(None, f"has {len(row)} cells, not {width}{hint}")
        texts = dict(zip(result.header, row, strict=False))
        result.add(cells.row(result.register, texts, setting), number)
    except Malformed as error:
        result.refuse(number, error, row)

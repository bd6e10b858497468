"""From what is asked for to a report in its forms: what the command and the schedule share."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from wattline_agents.errors import UsageError
from wattline_reports import waiting
from wattline_reports.kinds import OWN, Kind
from wattline_reports.made_file import HAND, Key
from wattline_reports.shelf import New

if TYPE_CHECKING:
    from wattline_reports.document import Report

_FILES = ("PEM", "FILE", "DIR")
"""How options call a value that is a place on this machine."""
_MOST_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Order:
    """One report that is wanted.

    Attributes:
        kind: Of which kind.
        store: The store's directory.
        formats: The forms wanted, of `kinds.FORMATS`.
        period: As a person writes it; None: the kind's usual one.
        as_of: As the books stood then; None: as they stand.
        of: What it is of.
        options: The kind's own, each with its default.
        now: The time, for the usual period.
    """

    kind: Kind
    store: Path
    formats: tuple[str, ...]
    period: str | None = None
    as_of: datetime | None = None
    of: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Finished:
    """A report and its forms, in the order they were asked for.

    Attributes:
        report: The report.
        files: Its forms.
        seconds: How long it took.
    """

    report: Report
    files: Mapping[str, bytes]
    seconds: float


def make(order: Order, command: str = "report") -> Finished:
    """Make a report.

    Args:
        order: What is wanted.
        command: Who speaks to whoever waits.

    Raises:
        WattlineError: It cannot be made; one line says why and what to do.
    """
    began = time.monotonic()
    report = _built(order, command)
    with waiting.said(command, "setting the pages"):
        files = {form: _rendered(report, order.kind, form) for form in order.formats}
    return Finished(report, files, time.monotonic() - began)


def kept(order: Order, finished: Finished, why: str = HAND, by: str = "") -> New:
    """The report as a shelf takes it."""
    report = finished.report
    return New(
        key=key_of(order, report), title=report.title, name=report.name, code=report.code,
        why=why, by=by, good=report.statement.good, seconds=finished.seconds, files=finished.files,
    )  # fmt: skip


def key_of(order: Order, report: Report) -> Key:
    """What was asked for, the usual period by its name."""
    from wattline_reports.words import period_code

    own = order.kind.default == OWN and order.period is None
    # Of files their names alone: where they lie on this machine is nobody else's business.
    of = order.of if order.kind.needs_store else tuple(Path(one).name for one in order.of)
    return Key(
        kind=order.kind.name,
        period="all" if own else period_code(report.span),
        of=tuple(_short(one) for one in of),
        options=chosen(order.kind, order.options),
        as_of=report.as_of,
    )


def chosen(kind: Kind, options: Mapping[str, str]) -> dict[str, str]:
    """The options that say what a report is; which files were used is left out."""
    values = {one.key: options.get(one.key, one.default) for one in kind.options
              if one.choices or one.metavar not in _FILES}  # fmt: skip
    return {key: _short(value) for key, value in values.items() if value}


def _short(text: str) -> str:
    """A text, or its digest where it is long."""
    if len(text) <= _MOST_CHARACTERS:
        return text
    return f"sha256 {hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()}"


def _built(order: Order, command: str) -> Report:
    from wattline_reports.asked import Asked, checked
    from wattline_reports.period import default_period, parse_period, suited

    if order.period is None:
        span = default_period(order.kind, order.store, order.now)
    else:
        span = suited(order.kind, parse_period(order.period))

    def said(what: str) -> AbstractContextManager[None]:
        return waiting.said(command, what)

    def counted(what: str) -> Callable[[int, int], None]:
        return waiting.counted(command, what)

    asked = Asked(
        kind=order.kind, store=order.store, period=span, as_of=order.as_of, of=order.of,
        options=order.options, said=said, counted=counted,
    )  # fmt: skip
    return order.kind.build(checked(asked))


def _rendered(report: Report, kind: Kind, form: str) -> bytes:
    if form == "html":
        from wattline_reports.render import html

        return html.render(report, kind)
    if form == "pdf":
        from wattline_reports.render import pdf

        return pdf.render(report, kind)
    if form == "xlsx":
        from wattline_reports.render import xlsx

        return xlsx.render(report)
    from wattline_reports.render import machine

    return machine.render(report)


def written(folder: Path, files: Mapping[Path, bytes], option: str = "--out") -> list[Path]:
    """Write files, each whole or not at all.

    Args:
        folder: What was named, for the message.
        files: Their contents by path.
        option: What named it.

    Raises:
        UsageError: It cannot be written there.
    """
    paths = []
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.parent / f".{path.name}.{os.getpid()}"
            partial.write_bytes(content)
            partial.replace(path)
            paths.append(path)
    except OSError as error:
        raise UsageError(f"{option} {folder}: cannot write there: {error.strerror}") from error
    return paths

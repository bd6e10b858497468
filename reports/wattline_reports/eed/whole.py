"""The yearly return, from the books to a finished document."""

from __future__ import annotations

from wattline_reports import definitions
from wattline_reports.asked import Asked
from wattline_reports.document import Report, Statement
from wattline_reports.eed import KIND, annexes, answer, devices
from wattline_reports.eed.book import LEAST_KILOWATTS, Book, gathered
from wattline_reports.finish import finished
from wattline_reports.missing import first
from wattline_reports.quoted import written
from wattline_reports.words import NARROW, count_of, long_day, period_bounds, period_name, shown


def of(asked: Asked) -> Report:
    """The return that somebody asked for."""
    book = gathered(asked)
    centre = None if book.profile is None else book.profile.data_centre
    name = None if centre is None else centre.name
    due = asked.period.end.date().replace(month=5, day=15)
    return finished(
        Report(
            kind=KIND.name,
            title=KIND.title,
            subject=shown(name) if name else asked.factory(),
            period=period_name(asked.period),
            bounds=period_bounds(asked.period),
            span=asked.period,
            facts=(
                ("Schema", f"{book.schema}, Delegated Regulation (EU) 2024/1364"),
                ("Due", f"{long_day(due)}, Directive (EU) 2023/1791, Article 12"),
            ),
            statement=_statement(book),
            missing=first(book.missing, answer.TITLE),
            generator=asked.generator,
            name=asked.file_name,
            end_unix=int(asked.period.end.timestamp()),
            sections=(
                answer.section(book),
                annexes.site(book),
                annexes.year(book),
                annexes.indicators(book),
                devices.section(book),
                answer.gaps(book),
                definitions.section(book.figures),
            ),
            figures=tuple(book.figures),
            data=_data(book),
            as_of=asked.as_of_text,
        )
    )  # fmt: skip


def _statement(book: Book) -> Statement:
    least = f"{LEAST_KILOWATTS:.0f}{NARROW}kW"
    if book.is_obliged is None:
        return Statement(
            False,
            "Whether a return is owed is not known",
            "The profile does not have the rated IT power of the data centre. "
            f"From {least} on, a return is owed every year.",
        )
    if not book.is_obliged:
        return Statement(
            True,
            "Not obliged",
            f"The installed IT power demand is {written(book.power)}, below the {least} from which "
            "on Directive (EU) 2023/1791, Article 12, asks for a return. What follows may be "
            "published all the same.",
        )
    gaps = len(book.gaps)
    text = (
        f"The installed IT power demand is {written(book.power)}; from {least} on, a return is "
        "owed. "
    )
    if gaps:
        fields = count_of(gaps, "field is", "fields are")
        return Statement(
            False,
            "Obliged; the return is not complete",
            f"{text}Of {len(book.fields)} required, {fields} missing or not good for a return: "
            "the chapter “Gaps” lists each with the next step.",
        )
    return Statement(
        True, "Obliged; the return is complete", f"{text}All {len(book.fields)} fields are there."
    )


def _data(book: Book) -> dict[str, object]:
    """The return for a machine: fields under their legal codes."""
    gaps = {field.code: field.missing for field in book.gaps}
    keys: dict[str, object] = {
        key: {"text": text, "valid": key not in gaps} for key, _, text in annexes.texts_of(book)
    }
    numbers: dict[str, object] = {
        key: {
            "value": one.value, "unit": one.figure.unit, "quote": one.id,
            "valid": key not in gaps and one.value is not None,
        }
        for key, one, _ in book.annex_ii
    }  # fmt: skip
    return {
        "schema": book.schema,
        "obliged": book.is_obliged,
        "annex_i": keys,
        "annex_ii": numbers,
        "annex_iii": {
            name: one.value for name, one in annexes.named_indicators(book).items()
        },
        "gaps": [{"field": code, "missing": text} for code, text in gaps.items()],
        "measurement_points": devices.points_json(book),
        "measuring_devices": devices.devices_json(book),
    }  # fmt: skip

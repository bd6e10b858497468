"""What is promised: service levels, targets, clocks of access, working days, guards."""

from __future__ import annotations

from datetime import date

from wattline_collector.profile.declare import Kind, ident, key, table
from wattline_collector.profile.schema import words


@table
class Sla:
    """What is promised of a KPI, in the KPI's own unit.

    The table stands for the whole factory, or as [system.NAME.sla.ID] for one system.
    """

    id: str = ident("The KPI's id.")
    direction: str = key(
        Kind.WORD, "`up` if more is better, `down` if less is.", '"up"', words=words.DIRECTIONS
    )
    threshold: float = key(
        Kind.NUMBER, "What is still no breach.", "90", least=-1e15
    )  # fmt: skip
    target: float | None = key(Kind.NUMBER, "What is aimed at.", "95", default=None, least=-1e15)
    full_service: float | None = key(
        Kind.NUMBER, "From where on it is full service.", "98", default=None, least=-1e15
    )
    period: str = key(
        Kind.WORD, "Over what it is judged.", '"month"', default="month",
        words=("month", "quarter", "year"),
    )  # fmt: skip
    agreement: str | None = key(
        Kind.TEXT, "The clause it stands in.", '"hosting agreement, annex 5"', default=None
    )


@table
class Target:
    """What the factory itself aims at with a KPI, in the KPI's own unit."""

    id: str = ident("The KPI's id.")
    direction: str = key(
        Kind.WORD, "`up` if more is better, `down` if less is.", '"up"', words=words.DIRECTIONS
    )
    value: float = key(Kind.NUMBER, "The target.", "85", least=-1e15)
    by: date | None = key(Kind.DATE, "By when.", "2026-12-31", default=None)
    source: str | None = key(Kind.TEXT, "Who set it.", '"board, 2026-02"', default=None)


@table
class AccessMode:
    """The clock and the limits of an access mode. What is not told is as the calls have it."""

    id: str = ident("The mode, in the words of the register of projects.")
    working_days: int | None = key(
        Kind.WHOLE, "Working days from application or cut-off to access, at most.", "4",
        default=None, least=1, most=1000,
    )  # fmt: skip
    days: int | None = key(
        Kind.WHOLE, "Instead: calendar days.", "30", aside=True, default=None, least=1, most=3000
    )
    counts_from: str | None = key(
        Kind.WORD, "When the clock starts.", '"application"', default=None,
        words=("application", "cut_off"),
    )  # fmt: skip
    calendar: str | None = key(
        Kind.NAME, "Which calendar's working days; the first one's if not told.", '"site"',
        default=None,
    )  # fmt: skip
    gpu_hours_least: float | None = key(
        Kind.NUMBER, "Grants are larger than this.", "0", default=None
    )
    gpu_hours_most: float | None = key(
        Kind.NUMBER, "Grants are no larger than this.", "50000", default=None
    )
    months: tuple[int, ...] | None = key(
        Kind.WHOLE, "Durations of grants in months.", "[1, 2, 3]", default=None, many=True,
        least=1, most=120,
    )  # fmt: skip
    inference_share_most: float | None = key(
        Kind.SHARE, "Largest part of a grant that may go into inference.", "0.10", default=None
    )


@table
class Calendar:
    """Working days. A year without a single holiday in the list counts as not known."""

    id: str = ident("What the profile calls it.")
    week: tuple[str, ...] = key(
        Kind.WORD, "Days of the week on which people work.",
        '["mon", "tue", "wed", "thu", "fri"]', default=words.DAYS[:5], many=True, words=words.DAYS,
    )  # fmt: skip
    holidays: tuple[date, ...] = key(
        Kind.DATE, "Days on which they do not, for every year that figures are wanted of.",
        "[2026-01-01, 2026-12-25, 2027-01-01]", default=(), many=True, serves="I07",
    )  # fmt: skip
    source: str | None = key(
        Kind.TEXT, "Where the list is from.", '"ministry of labour"', default=None
    )


@table
class Guard:
    """Levels at which somebody must be told."""

    commercial_share: tuple[float, ...] | None = key(
        Kind.SHARE, "Commercial part of the Union's time: notice, warning, breach.",
        "[0.15, 0.18, 0.20]", default=None, many=True, least=0.0001,
    )  # fmt: skip
    burn_down_share: float | None = key(
        Kind.SHARE, "Used part of a grant that must be reached at half its time.", "0.40",
        default=None,
    )  # fmt: skip

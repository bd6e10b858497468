"""Projects: who may use a system, under which access mode, and for how much."""

from __future__ import annotations

from wattline_collector.registers import words
from wattline_collector.registers.declare import Column, Kind, Register, Values, in_order


def _finish(values: Values) -> Values:
    in_order(values, "valid_from", "valid_until")
    in_order(values, "submitted", "access")
    if values["account"] is None:
        values["account"] = values["project"]
    return values


PROJECTS = Register(
    "projects",
    "A grant of computing time: a project, on one system or all, over a period.",
    (
        Column("system", Kind.NAME, "The system it holds for; empty: all."),
        Column("project", Kind.NAME, "Its id.", "EHPC-AIF-2026FL01-445", required=True),
        Column(
            "account",
            Kind.NAME,
            "The account its jobs are charged to, or the namespace its pods run in; empty: the"
            " project's id. Case does not matter.",
            "ehpc-aif-2026fl01-445",
        ),
        Column("title", Kind.TEXT, "What it is about.", "A speech model for Slovenian"),
        Column(
            "access_mode",
            Kind.WORD,
            "How its time was given; empty: as its id tells, where it is one of EuroHPC's.",
            "fast_lane",
            words=words.ACCESS_MODES,
            synonyms=words.ACCESS_MODE_SYNONYMS,
        ),
        Column(
            "user_category",
            Kind.WORD,
            "What its leading organisation is.",
            "start_up",
            words=words.USER_CATEGORIES,
            synonyms=words.USER_CATEGORY_SYNONYMS,
        ),
        Column(
            "state",
            Kind.WORD,
            "The Participating State of its leading organisation, ISO 3166-1 alpha-2.",
            "SI",
            words=words.STATES,
            synonyms=words.STATE_SYNONYMS,
        ),
        Column(
            "partner_states",
            Kind.WORDS,
            "The States of its other organisations, separated by spaces.",
            "AT IT",
            words=words.STATES,
            synonyms=words.STATE_SYNONYMS,
        ),
        Column(
            "sector",
            Kind.WORD,
            "The sector its results are for, a section of NACE.",
            "information_technology",
            words=words.SECTORS,
        ),
        Column(
            "field",
            Kind.WORD,
            "Its field of research, of the OECD's six.",
            "engineering",
            words=words.FIELDS,
        ),
        Column(
            "life_cycle",
            Kind.WORD,
            "What its jobs mostly do, where they do not say it themselves.",
            "finetune",
            words=words.LIFE_CYCLE,
            synonyms=words.LIFE_CYCLE_SYNONYMS,
        ),
        Column(
            "share",
            Kind.WORD,
            "Out of whose part of the machine its time comes.",
            "union",
            words=words.SHARES,
        ),
        Column("commercial", Kind.FLAG, "Whether it pays for its time.", "no"),
        Column("organisation", Kind.TEXT, "Its leading organisation.", "Example d.o.o."),
        Column(
            "gpu_hours_requested", Kind.NUMBER, "What it asked for.", "40000", unit="GPU-hours"
        ),
        Column("gpu_hours_granted", Kind.NUMBER, "What it was given.", "30000", unit="GPU-hours"),
        Column("submitted", Kind.TIME, "When it applied.", "2026-02-23"),
        Column("call_cut_off", Kind.TIME, "The last day of the cut-off it applied for; time to"
               " access counts from it where its access mode has cut-offs.", closes=True),
        Column("access", Kind.TIME, "When its users could first log in.", "2026-02-27"),
        Column("valid_from", Kind.TIME, "The first day its jobs count; empty: always.",
               "2026-03-01"),
        Column("valid_until", Kind.TIME, "The last day; empty: without end.", "2026-05-31",
               closes=True),
        Column("lead", Kind.TEXT, "Who leads it.", "Ana Novak", personal=True),
        Column("contact", Kind.TEXT, "How to reach them.", "ana@example.org", personal=True),
    ),
    key=("system", "project", "account", "valid_from_ms"),
    finish=_finish,
)  # fmt: skip

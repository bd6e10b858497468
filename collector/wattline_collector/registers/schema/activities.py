"""Activities: what a factory does beside computing, as far as figures are made of it."""

from __future__ import annotations

from collections.abc import Mapping

from wattline_collector.registers import words
from wattline_collector.registers.declare import (
    Column,
    Kind,
    Malformed,
    Register,
    Values,
    in_order,
)

NEEDS: Mapping[str, tuple[str, ...]] = {
    "training": ("participants", "days"),
    "support": ("count",),
    "survey": ("rating", "answers"),
    "staff_exchange": ("participants", "days", "counterpart"),
    "joint_project": ("counterpart",),
    "asset_shared": ("counterpart",),
    "asset_reused": ("counterpart",),
    "referral": ("network",),
    "event": (),
    "publication": (),
    "model": (),
    "dataset": (),
    "software": (),
    "product": (),
    "follow_on": (),
    "call": ("submitted", "awarded"),
    "report": ("due",),
    "data_transfer": ("gigabytes", "hours"),
}
"""The kinds there are, and the columns without which one of them says nothing."""

_UNCOUNTED = ("training", "survey", "call", "report", "data_transfer")
"""Kinds of which each row is one; of the others a row may stand for several."""

NETWORKS = (
    "ai_factory", "antenna", "ncc", "coe", "edih", "tef", "data_space", "eit_kic",
    "research_infrastructure", "other",
)  # fmt: skip


def _finish(values: Values) -> Values:
    in_order(values, "start", "end")
    kind = str(values["kind"])
    for name in NEEDS[kind]:
        held = f"{name}_ms" if name == "due" else name
        if values[held] is None:
            raise Malformed(name, f"missing: an activity of kind {kind} needs it")
    for part, whole in (("in_target", "count"), ("answers", "invited"), ("awarded", "submitted")):
        few, many = values[part], values[whole]
        if isinstance(few, int) and isinstance(many, int) and few > many:
            raise Malformed(part, f"{few} is more than {whole}, which is {many}")
    if values["count"] is None and kind not in _UNCOUNTED:
        values["count"] = 1
    return values


ACTIVITIES = Register(
    "activities",
    "Something done for users, for other factories, or with the factory's time.",
    (
        Column("system", Kind.NAME, "The system it belongs to; empty: the whole factory."),
        Column("id", Kind.NAME, "Names it; a row with the same id replaces it.", "course-2026-04",
               required=True),
        Column("kind", Kind.WORD, "What it is.", "training", required=True, words=tuple(NEEDS)),
        Column("start", Kind.TIME, "When it began, or when it was; of a report: when it was handed"
               " in.", "2026-04-13", required=True),
        Column("end", Kind.TIME, "Its last day; of a call: its cut-off; empty: the same moment.",
               "2026-04-15", closes=True),
        Column("title", Kind.TEXT, "What it was.", "Fine-tuning on many GPUs"),
        Column("count", Kind.WHOLE, "How many: support requests, referrals, assets, results; empty:"
               " one.", unit="items"),
        Column("in_target", Kind.WHOLE, "How many of these support requests were solved within the"
               " agreed time.", unit="items"),
        Column("hours", Kind.NUMBER, "The median time to solve them; of a data transfer: how long"
               " it took.", unit="hours"),
        Column("gigabytes", Kind.NUMBER, "Of a data transfer over the wide area: how much was"
               " moved.", unit="GB of 1,000,000,000 bytes"),
        Column("participants", Kind.WHOLE, "How many people took part.", "24", unit="people"),
        Column("days", Kind.NUMBER, "How long each took part.", "3", unit="days"),
        Column("rating", Kind.NUMBER, "The mean rating given, 1 to 10.", "8.5", least=1, most=10),
        Column("answers", Kind.WHOLE, "How many gave one.", "19", unit="people"),
        Column("invited", Kind.WHOLE, "How many were asked for one.", "24", unit="people"),
        Column("counterpart", Kind.TEXT, "The factory or organisation it was done with.",
               "IT4LIA AI Factory"),
        Column("network", Kind.WORD, "What that is.", "ai_factory", words=NETWORKS),
        Column("state", Kind.WORD, "The State it was done for, ISO 3166-1 alpha-2.", "IT",
               words=words.STATES, synonyms=words.STATE_SYNONYMS),
        Column("project", Kind.NAME, "The project a result came from."),
        Column("access_mode", Kind.WORD, "Of a call: which.", words=words.ACCESS_MODES,
               synonyms=words.ACCESS_MODE_SYNONYMS),
        Column("submitted", Kind.WHOLE, "Of a call: proposals received.", unit="proposals"),
        Column("awarded", Kind.WHOLE, "Of a call: proposals granted.", unit="proposals"),
        Column("gpu_hours_requested", Kind.NUMBER, "Of a call: hours asked for.",
               unit="GPU-hours"),
        Column("gpu_hours_offered", Kind.NUMBER, "Of a call: hours there were.", unit="GPU-hours"),
        Column("due", Kind.TIME, "Of a report: its last day.", closes=True),
        Column("reference", Kind.TEXT, "Where a result can be found, such as a DOI."),
        Column("contact", Kind.TEXT, "Who knows more.", "training@example.org", personal=True),
    ),
    key=("system", "id"),
    finish=_finish,
)  # fmt: skip

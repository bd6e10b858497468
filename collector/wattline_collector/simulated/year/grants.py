"""The projects of a planted year: who they are, and what their jobs are like."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grant:
    """A project.

    Attributes:
        project: Its id.
        access_mode: How its time was given.
        user_category: What its organisation is.
        state: Of its organisation, ISO 3166-1 alpha-2.
        sector: A section of NACE.
        organisation: Its name.
        weight: How much of what runs is its.
        wait_hours: How long its jobs wait at the median.
        share: Whose part of the machine it uses.
        users: How many people.
        access_days: Calendar days to access, from application or from the call's cut-off.
        lead: Who leads it; one person leads two of them.
    """

    project: str
    access_mode: str
    user_category: str
    state: str
    sector: str
    organisation: str
    weight: int
    wait_hours: float
    share: str = "union"
    users: int = 3
    access_days: int = 3
    lead: str = ""

    @property
    def has_cut_off(self) -> bool:
        """Whether its access mode has calls with cut-offs."""
        return self.access_mode in ("large_scale", "ai_for_science")


COMMERCIAL = Grant(
    "EHPC-COM-2025C01-001", "commercial", "large_industry", "DE", "manufacturing",
    "Works AG", 0, 0.5, users=2, lead="K. Vogt",
)  # fmt: skip
"""Its jobs are chosen until they are the part of the Union's time that is planted."""

GRANTS = (
    Grant("EHPC-AIF-2025PG01-101", "playground", "start_up", "SI", "information_technology",
          "Govor d.o.o.", 2, 1.0, users=1, access_days=2, lead="A. Novak"),
    Grant("EHPC-AIF-2025PG01-102", "playground", "sme", "FI", "health",
          "Terveys Oy", 2, 1.5, users=2, access_days=1, lead="B. Laine"),
    Grant("EHPC-AIF-2025FL01-201", "fast_lane", "start_up", "AT", "media",
          "Wortlaut GmbH", 4, 2.0, access_days=4, lead="C. Gruber"),
    Grant("EHPC-AIF-2025FL01-202", "fast_lane", "sme", "IT", "manufacturing",
          "Officina Srl", 4, 3.0, access_days=9, lead="D. Rossi"),
    Grant("EHPC-AIF-2025LS01-301", "large_scale", "scale_up", "FR", "information_technology",
          "Grand Modele SAS", 9, 5.0, users=5, access_days=14, lead="E. Martin"),
    Grant("EHPC-AIF-2025SC01-401", "ai_for_science", "academia", "SE", "science_and_engineering",
          "Example University", 7, 6.0, users=6, access_days=27, lead="F. Berg"),
    Grant("EHPC-AIF-2025SC01-402", "ai_for_science", "academia", "ES", "science_and_engineering",
          "Instituto Ejemplo", 5, 12.0, users=4, access_days=33, lead="G. Ruiz"),
    Grant("EHPC-AIF-2025SC01-403", "ai_for_science", "public_sector", "EE",
          "public_administration", "Naidisamet", 3, 4.0, users=2, access_days=20, lead="H. Tamm"),
    Grant("NAT-2025-501", "national", "academia", "FI", "science_and_engineering",
          "Example Technical University", 45, 3.0, share="national", users=5, access_days=9,
          lead="F. Berg"),
    Grant("OWN-2025-601", "own_use", "public_sector", "FI", "science_and_engineering",
          "Example Computing Centre", 10, 0.5, share="own", users=2, access_days=1,
          lead="J. Virta"),
)  # fmt: skip

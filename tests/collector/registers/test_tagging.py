from typing import Any

import polars as pl
import pytest

from wattline_collector.registers.merge import kept_schema
from wattline_collector.registers.schema import PROJECTS
from wattline_collector.registers.tagging import TAGS, Untagged, tag_jobs, untagged

HOUR = 3_600_000
JOBS = pl.Schema(
    {
        "system": pl.String(), "job": pl.String(), "account": pl.String(), "project": pl.String(),
        "state": pl.String(), "submit_ms": pl.Int64(), "start_ms": pl.Int64(),
        "end_ms": pl.Int64(), "gpus": pl.Int64(),
    }
)  # fmt: skip


def jobs(*rows: dict[str, Any]) -> pl.DataFrame:
    numbered = [
        {"system": "s", "job": str(n), "start_ms": 100, **row} for n, row in enumerate(rows)
    ]
    return pl.DataFrame(numbered, schema=JOBS, orient="row")


def projects(*rows: dict[str, Any]) -> pl.DataFrame:
    whole = [{"account": row["project"], **row} for row in rows]
    return pl.DataFrame(whole, schema=kept_schema(PROJECTS), orient="row").drop("replaced_ms")


def tags(tagged: pl.DataFrame, *columns: str) -> list[Any]:
    return [row[0] if len(row) == 1 else row for row in tagged.select(columns).rows()]


def test_a_job_belongs_to_the_project_its_account_is_of() -> None:
    tagged = tag_jobs(
        jobs({"account": "acc-1"}),
        projects({"project": "P1", "account": "acc-1", "state": "SI", "user_category": "sme"}),
    )
    assert tagged.select("tag", "tagged_by", "project_id", "participating_state",
                         "user_category").rows() == [
        ("registered", "account", "P1", "SI", "sme")
    ]  # fmt: skip


def test_a_job_of_no_project_is_tagged_so_and_kept() -> None:
    every = jobs(
        {"account": "acc-1"}, {"account": "nobody"}, {"account": None}, {"account": "acc-1"}
    )
    tagged = tag_jobs(every, projects({"project": "acc-1"}))
    assert tags(tagged, "tag") == ["registered", "untagged", "untagged", "registered"]
    assert tags(tagged, "job") == ["0", "1", "2", "3"]
    assert tagged.select(every.columns).equals(every)


def test_the_columns_are_the_same_whatever_there_is() -> None:
    for every, register in (
        (jobs(), projects()),
        (jobs({}), projects()),
        (jobs(), projects({"project": "p"})),
    ):
        tagged = tag_jobs(every, register)
        assert tagged.columns == [*JOBS, *TAGS]
        assert tagged.schema["commercial"] == pl.Boolean()
        assert tagged.schema["gpu_hours_granted"] == pl.Float64()


def test_accounts_are_found_whatever_their_case() -> None:
    tagged = tag_jobs(
        jobs({"account": "ehpc-reg-2024r01-123"}), projects({"project": "EHPC-REG-2024R01-123"})
    )
    assert tags(tagged, "project_id") == ["EHPC-REG-2024R01-123"]


def test_the_scheduler_s_account_is_believed_before_the_job_s_own_word() -> None:
    register = projects({"project": "mine"}, {"project": "rich"})
    tagged = tag_jobs(
        jobs(
            {"account": "mine", "project": "rich"},
            {"account": None, "project": "rich"},
            {"account": "department", "project": "rich"},
        ),
        register,
    )
    assert tags(tagged, "project_id", "tagged_by") == [
        ("mine", "account"), ("rich", "job"), ("rich", "job"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("start", "found"),
    [(99, None), (100, "p"), (199, "p"), (200, None), (None, "p")],
)
def test_a_project_must_be_valid_when_the_job_starts(start: int | None, found: str | None) -> None:
    register = projects({"project": "p", "valid_from_ms": 100, "valid_until_ms": 200})
    tagged = tag_jobs(jobs({"account": "p", "start_ms": start}), register)
    assert tags(tagged, "project_id") == [found]


def test_a_job_that_never_started_is_judged_by_when_it_was_submitted() -> None:
    register = projects({"project": "p", "valid_from_ms": 100})
    never = {"account": "p", "start_ms": None}
    tagged = tag_jobs(jobs({**never, "submit_ms": 99}, {**never, "submit_ms": 100}), register)
    assert tags(tagged, "tag") == ["untagged", "registered"]


def test_a_project_of_another_system_is_another_project() -> None:
    register = projects(
        {"project": "p", "system": "a", "title": "on a"},
        {"project": "p", "system": None, "title": "anywhere"},
    )
    tagged = tag_jobs(
        jobs({"account": "p", "system": "a"}, {"account": "p", "system": "b"}), register
    )
    assert tags(tagged, "title") == ["on a", "anywhere"]


def test_of_two_grants_the_one_that_began_last_counts() -> None:
    register = projects(
        {"project": "p", "title": "first", "valid_from_ms": 10},
        {"project": "p", "title": "second", "valid_from_ms": 50},
        {"project": "p", "title": "always", "valid_from_ms": None},
        {"project": "p", "title": "later", "valid_from_ms": 500},
    )
    tagged = tag_jobs(jobs(*({"account": "p", "start_ms": at} for at in (5, 20, 60))), register)
    assert tags(tagged, "title") == ["always", "first", "second"]


def test_one_project_may_have_many_accounts() -> None:
    register = projects(
        {"project": "P", "account": "cpu", "title": "c"},
        {"project": "P", "account": "gpu", "title": "g"},
    )
    tagged = tag_jobs(jobs({"account": "gpu"}, {"account": "cpu"}), register)
    assert tags(tagged, "project_id", "title") == [("P", "g"), ("P", "c")]


def test_the_id_tells_the_mode_where_the_register_does_not() -> None:
    register = projects(
        {"project": "EHPC-AIF-2026PG01-1124"},
        {"project": "EHPC-AIF-2026PG01-1125", "access_mode": "commercial"},
        {"project": "silent"},
        {"project": "portal-7", "account": "eehpc-dev-2024d08-066x"},
    )
    tagged = tag_jobs(jobs(*({"account": account} for account in register["account"])), register)
    assert tags(tagged, "access_mode", "access_mode_from", "call", "cut_off") == [
        ("playground", "id", "AIF", "2026PG01"),
        ("commercial", "register", "AIF", "2026PG01"),
        (None, None, None, None),
        ("development", "id", "DEV", "2024D08"),
    ]


def test_an_id_alone_is_no_registered_project() -> None:
    tagged = tag_jobs(jobs({"account": "EHPC-AIF-2026PG01-1124"}), projects())
    assert tags(tagged, "tag", "access_mode") == [("untagged", None)]


def test_tagging_again_gives_the_same() -> None:
    register = projects({"project": "p", "title": "x"})
    once = tag_jobs(jobs({"account": "p"}, {"account": "q"}), register)
    assert tag_jobs(once, register).equals(once)


def test_a_frame_that_lacks_what_is_not_known_will_do() -> None:
    bare = jobs({"account": "p"}).select("system", "job", "account", "start_ms")
    assert tags(tag_jobs(bare, projects({"project": "p"})), "tag") == ["registered"]


def test_what_has_no_project_is_summed_up() -> None:
    tagged = tag_jobs(
        jobs(
            {"account": "p", "start_ms": 0, "end_ms": HOUR, "gpus": 4},
            {"account": "q", "start_ms": 0, "end_ms": HOUR, "gpus": 4},
            {"account": "q", "start_ms": 0, "end_ms": HOUR // 2, "gpus": 1},
            {"account": "r", "start_ms": 0, "end_ms": None, "gpus": 8},
        ),
        projects({"project": "p"}),
    )
    found = untagged(tagged)
    assert found == Untagged(3, 4, 4.5, (("q", 2), ("r", 1)))
    assert str(found) == "3 of 4 jobs, 4.5 GPU-hours untagged"


def test_hours_nobody_knows_are_not_nought() -> None:
    found = untagged(tag_jobs(jobs({"account": "q"}), projects()))
    assert found.gpu_hours is None
    assert str(found) == "1 of 1 jobs untagged"


def test_hours_that_somebody_knows_better_are_taken() -> None:
    known = jobs({"account": "q", "gpus": 4, "end_ms": HOUR}).with_columns(gpu_hours=pl.lit(2.0))
    assert untagged(tag_jobs(known, projects())).gpu_hours == 2.0


def test_a_month_of_jobs_is_tagged_in_one_go() -> None:
    many = pl.DataFrame(
        {
            "system": ["s"] * 200_000,
            "job": [str(n) for n in range(200_000)],
            "account": [f"p{n % 997}" for n in range(200_000)],
            "start_ms": list(range(200_000)),
        }
    )
    tagged = tag_jobs(many, projects(*({"project": f"P{n}"} for n in range(500))))
    assert tagged.height == 200_000
    assert tagged["tag"].value_counts().sort("tag")["count"].to_list() == [
        sum(n % 997 < 500 for n in range(200_000)),
        sum(n % 997 >= 500 for n in range(200_000)),
    ]

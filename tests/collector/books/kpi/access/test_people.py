from __future__ import annotations

from typing import Any

HEAD = "project,account,lead,user_category"


def test_distinct_users_leads_and_projects_of_jobs_that_ran(site: Any) -> None:
    site.register("projects", HEAD, "p,p,Ana Novak,sme", "q,q,ana novak,sme", "r,r,,academia")
    for job, user, account in (
        ("1", "u1", "p"),
        ("2", "u1", "q"),
        ("3", "u2", "r"),
        ("4", None, "x"),
    ):
        site.account(job, user=user, account=account, start=1, end=30)
    site.account("later", user="u9", account="p", start=800, end=900)
    found = {key[0]: one for key, one in site.by("I05", "who").items()}
    assert {who: one.value for who, one in found.items()} == {"users": 2, "leads": 1, "projects": 3}
    assert found["users"].note == "jobs that tell of none: 1"
    assert found["users"].n == 4
    everything = str([one.to_json() for one in found.values()])
    assert not any(name in everything for name in ("u1", "u2", "Novak", "novak"))


def test_a_user_counts_on_each_day_on_which_a_job_of_theirs_ran(site: Any) -> None:
    site.account("1", user="u1", start=20, end=30)
    site.account("2", user="u2", start=26, end=28)
    found = site.by("I05", "day", "who", by=["day"])
    assert found["2026-03-01", "users"].value == 1
    assert found["2026-03-02", "users"].value == 2


def test_jobs_that_an_agent_saw_count_without_a_scheduler(site: Any) -> None:
    view = site.view()
    low, _ = view.bounds_ms
    site.running.append({"system": "s", "job": "1", "start": low, "end": low + 1000})
    (users, *_) = site.figures("I05")
    assert (users.value, users.n, users.note) == (None, 1, "jobs that tell of none: 1")

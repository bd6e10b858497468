import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from wattline_agents.errors import InputError, UsageError
from wattline_collector.profile.kept import (
    history,
    profile_at,
    profile_of,
    readable_profile,
    use,
)
from wattline_collector.store.filenames import PROFILE

from .conftest import HEAD

NOW = datetime(2026, 11, 21, 10, 15, tzinfo=UTC)


def written(directory: Path, more: str = "") -> Path:
    path = directory / "mine.toml"
    path.write_text(HEAD + more)
    return path


def test_a_store_without_a_profile_has_none(tmp_path: Path) -> None:
    assert profile_of(tmp_path) is None
    assert profile_at(tmp_path, NOW) is None


def test_a_profile_that_is_put_to_use_holds(tmp_path: Path) -> None:
    store = tmp_path / "store"
    used = use(written(tmp_path, "track = 3\n"), store, NOW)
    assert used.is_new
    assert used.replaced is None
    assert used.path.read_text() == HEAD + "track = 3\n"
    found = profile_of(store)
    assert found is not None
    assert found.track == 3
    assert used.path.stat().st_mode & 0o077 == 0


def test_the_same_profile_again_changes_nothing(tmp_path: Path) -> None:
    store = tmp_path / "store"
    use(written(tmp_path), store, NOW)
    assert not use(written(tmp_path), store, NOW + timedelta(days=1)).is_new
    assert len(history(store)) == 1


def test_a_wrong_profile_leaves_the_one_that_held(tmp_path: Path) -> None:
    store = tmp_path / "store"
    use(written(tmp_path, "track = 1\n"), store, NOW)
    with pytest.raises(InputError, match=r"mine\.toml:5: track"):
        use(written(tmp_path, "track = 7\n"), store, NOW)
    found = profile_of(store)
    assert found is not None
    assert found.track == 1


def test_figures_of_last_year_have_last_years_profile(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for year in (2024, 2025, 2026):
        more = f"track = {year - 2023}\nholds_since = {year}-01-01\n"
        use(written(tmp_path, more), store, datetime(year, 2, 3, tzinfo=UTC))
    tracks = {}
    for year in (2023, 2024, 2025, 2026, 2027):
        found = profile_at(store, datetime(year, 1, 1, tzinfo=UTC))
        assert found is not None
        tracks[year] = found.track
    assert tracks == {2023: 1, 2024: 1, 2025: 2, 2026: 3, 2027: 3}


def test_a_correction_of_last_year_takes_nobodys_place(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for track, since in ((1, "2025-01-01"), (2, "2026-01-01"), (3, "2025-01-01")):
        used = use(written(tmp_path, f"track={track}\nholds_since={since}\n"), store, NOW)
    assert used.is_new
    assert not used.holds
    now, before = profile_of(store), profile_at(store, datetime(2025, 6, 1, tzinfo=UTC))
    assert now is not None
    assert before is not None
    assert (now.track, before.track) == (2, 3)


def test_what_was_not_known_then_is_left_out_where_figures_are_told_again(tmp_path: Path) -> None:
    store = tmp_path / "store"
    use(written(tmp_path, "track=1\nholds_since=2025-01-01\n"), store, NOW)
    later = NOW + timedelta(days=30)
    use(written(tmp_path, "track=2\nholds_since=2025-01-01\n"), store, later)
    of_then = datetime(2025, 6, 1, tzinfo=UTC)
    for known, track in ((NOW, 1), (later - timedelta(seconds=1), 1), (later, 2), (None, 2)):
        found = profile_at(store, of_then, known)
        assert found is not None
        assert found.track == track
    assert profile_at(store, of_then, NOW - timedelta(seconds=1)) is None


def test_without_a_date_the_day_it_was_put_to_use_counts(tmp_path: Path) -> None:
    store = tmp_path / "store"
    use(written(tmp_path, "track=1\n"), store, NOW)
    use(written(tmp_path, "track=2\n"), store, NOW + timedelta(days=10))
    for days, track in ((-100, 1), (9, 1), (10, 2), (100, 2)):
        found = profile_at(store, NOW + timedelta(days=days))
        assert found is not None
        assert found.track == track


def test_what_was_edited_in_place_is_kept_too(tmp_path: Path) -> None:
    store = tmp_path / "store"
    use(written(tmp_path, "track=1\n"), store, NOW)
    (store / PROFILE).write_text(HEAD + "track=2\n")
    edited = (NOW + timedelta(days=5)).timestamp()
    os.utime(store / PROFILE, (edited, edited))
    found = profile_at(store, NOW + timedelta(days=6))
    assert found is not None
    assert found.track == 2
    used = use(written(tmp_path, "track=3\n"), store, NOW + timedelta(days=9))
    assert used.replaced is not None
    assert used.replaced.read_text() == HEAD + "track=2\n"
    assert [when.date() for when, _ in history(store)] == [
        date(2026, 11, 21), date(2026, 11, 26), date(2026, 11, 30)
    ]  # fmt: skip


def test_two_in_one_second_are_both_kept(tmp_path: Path) -> None:
    store = tmp_path / "store"
    for track in (1, 2, 3):
        use(written(tmp_path, f"track={track}\n"), store, NOW)
    assert [path.read_text()[-2] for _, path in history(store)] == ["1", "2", "3"]


def test_a_profile_of_a_time_to_come_waits(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds from 2027-01-01 on; put it to use then"):
        use(written(tmp_path, "holds_since = 2027-01-01\n"), tmp_path / "store", NOW)


def test_a_directory_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no store"):
        use(written(tmp_path), tmp_path, NOW)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.toml"]


def test_other_files_among_those_kept_are_passed_over(tmp_path: Path) -> None:
    store = tmp_path / "store"
    use(written(tmp_path), store, NOW)
    (store / "profiles/readme.txt").write_text("x")
    (store / "profiles/20261121T101500Z.toml.bak").write_text("x")
    assert len(history(store)) == 1


def test_who_may_not_read_the_profile_sees_a_job_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    use(written(tmp_path), store, NOW)
    assert readable_profile(store) == profile_of(store)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert readable_profile(store) is None

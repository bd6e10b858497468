from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.cli import main
from wattline_reports.exchange import bundle, cubes, dictionary, keys
from wattline_reports.exchange.cubes import CUBES, Row
from wattline_reports.exchange.disclosure.table import Key


def run(capsys: Any, *words: object) -> tuple[int, str, str]:
    try:
        code = main(["bundle", *map(str, words)])
    except SystemExit as stop:
        code = int(stop.code or 0)
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.fixture
def site(tmp_path: Path, capsys: Any, kit: Any) -> Any:
    """A factory with a key made by the command, a ring, and a bundle of it."""
    code, out, _ = run(
        capsys, "key", "new", "--owner", "it4lia", "--key", tmp_path / "f.pem",
        "--ring", tmp_path / "keys.json", "--from", "2026-01-01",
    )  # fmt: skip
    assert code == 0, out
    factory = kit.Factory(private=keys.read_private(tmp_path / "f.pem"))
    made = factory.bundle(dictionary=dictionary.digest())
    path = tmp_path / "q1.aifb.zip"
    path.write_bytes(made.to_bytes())
    return factory, made, path, tmp_path / "keys.json"


def test_a_bundle_is_verified_in_words_and_as_json(site: Any, capsys: Any) -> None:
    _, made, path, ring = site
    code, out, _ = run(capsys, "verify", path, "--ring", ring)
    assert code == 0
    assert "verified" in out
    assert "books       balance" in out
    assert made.manifest.digest in out
    code, out, _ = run(capsys, "verify", path, "--ring", ring, "--format", "json")
    assert json.loads(out)[0]["digest"] == made.manifest.digest


def test_an_altered_bundle_exits_2_with_one_line_and_its_reason(site: Any, capsys: Any) -> None:
    _, _, path, ring = site
    data = bytearray(path.read_bytes())
    data[data.index(b"balanced")] ^= 1
    path.write_bytes(bytes(data))
    code, out, error = run(capsys, "verify", path, "--ring", ring)
    assert (code, out) == (2, "")
    assert error.count("\n") == 1
    assert "Traceback" not in error
    assert error.rstrip().endswith(")")


def test_without_a_ring_the_next_step_is_said(site: Any, capsys: Any, tmp_path: Path) -> None:
    code, _, error = run(capsys, "verify", site[2], "--ring", tmp_path / "none.json")
    assert code == 2
    assert "no ring of public keys" in error


def test_an_auditor_signs_and_both_are_asked_for(site: Any, capsys: Any, tmp_path: Path) -> None:
    _, _, path, ring = site
    asked = ("verify", path, "--ring", ring, "--role", "factory", "--role", "auditor")
    code, _, error = run(capsys, *asked)
    assert (code, "not signed by the auditor" in error) == (2, True)
    pem = tmp_path / "a.pem"
    new = ("key", "new", "--owner", "court", "--role", "auditor", "--key", pem, "--ring", ring)
    assert run(capsys, *new)[0] == 0
    assert run(capsys, "sign", path, "--key", pem)[0] == 0
    code, out, _ = run(capsys, *asked)
    assert code == 0
    assert "court (auditor" in out


def test_a_key_is_rotated_and_the_old_one_revoked(site: Any, capsys: Any, tmp_path: Path) -> None:
    factory, _, path, ring = site
    old = keys.id_of(factory.private.public_key())
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    code, out, error = run(
        capsys, "key", "rotate", "--key", tmp_path / "f.pem", "--new", tmp_path / "g.pem",
        "--ring", ring, "--from", tomorrow,
    )  # fmt: skip
    assert code == 0, error
    assert f"vouched for by {old}" in out
    code, _, error = run(
        capsys, "key", "revoke", old, "--key", tmp_path / "g.pem", "--reason", "compromised",
        "--ring", ring,
    )  # fmt: skip
    # A stolen key's endorsement is worth nothing: the organiser must vouch for the next.
    assert code == 2
    assert "was revoked" in error
    code, out, _ = run(
        capsys, "key", "revoke", old, "--key", tmp_path / "g.pem", "--reason", "superseded",
        "--on", "2027-06-01", "--ring", ring,
    )  # fmt: skip
    assert code == 0
    assert "revoked on" in run(capsys, "key", "list", "--ring", ring)[1]
    assert run(capsys, "verify", path, "--ring", ring)[0] == 0


def test_a_bundle_signed_by_a_stolen_key_is_refused(site: Any, capsys: Any, tmp_path: Path) -> None:
    factory, _, path, ring = site
    own = keys.id_of(factory.private.public_key())
    code, _, _ = run(
        capsys, "key", "revoke", own, "--key", tmp_path / "f.pem", "--reason", "compromised",
        "--ring", ring,
    )  # fmt: skip
    assert code == 0
    code, _, error = run(capsys, "verify", path, "--ring", ring)
    assert code == 2
    assert "revoked-key" in error


def test_a_revision_is_shown_as_what_it_changed(site: Any, capsys: Any, tmp_path: Path) -> None:
    factory, made, path, _ = site
    later = tmp_path / "q1-2.aifb.zip"
    again = factory.bundle(supersedes=made, seed=2, dictionary=dictionary.digest())
    later.write_bytes(again.to_bytes())
    code, out, _ = run(capsys, "diff", path, later)
    assert code == 0
    assert "manifest revision" in out
    assert "P01" in out
    assert run(capsys, "diff", path, path)[1] == "they say the same\n"


def test_what_stands_in_a_bundle_is_shown(site: Any, capsys: Any) -> None:
    code, out, _ = run(capsys, "show", site[2])
    assert code == 0
    assert "P01" in out
    assert "of them hidden" in out


def test_factories_are_merged(site: Any, capsys: Any, tmp_path: Path, kit: Any) -> None:
    _, _, path, ring = site
    pem, other = tmp_path / "o.pem", tmp_path / "other.aifb.zip"
    new = ("key", "new", "--owner", "jaiaf", "--key", pem, "--ring", ring, "--from", "2026-01-01")
    assert run(capsys, *new)[0] == 0
    second = kit.Factory(id="jaiaf", private=keys.read_private(pem))
    other.write_bytes(second.bundle(seed=2, dictionary=dictionary.digest()).to_bytes())
    code, out, error = run(capsys, "merge", path, other, "--ring", ring)
    assert code == 0, error
    assert "2 factories: it4lia, jaiaf" in out
    told = json.loads(run(capsys, "merge", path, other, "--ring", ring, "--format", "json")[1])
    sums = {figure["id"]: figure["value"] for figure in told["figures"]}
    assert sums["P01"] == pytest.approx(4.2e12 * 3)


def test_records_that_disagree_are_listed(site: Any, capsys: Any, tmp_path: Path, kit: Any) -> None:
    factory, _, path, ring = site
    cube = CUBES["exchanges"]
    pem, other = tmp_path / "o.pem", tmp_path / "other.aifb.zip"
    new = ("key", "new", "--owner", "jaif", "--key", pem, "--ring", ring, "--from", "2026-01-01")
    assert run(capsys, *new)[0] == 0
    second = kit.Factory(id="jaif", private=keys.read_private(pem))
    two: dict[Key, Row | None] = {("joint_project", "jaif"): (2.0, None)}
    for one, file, rows in ((factory, path, two), (second, other, {})):
        files = {cube.file: cubes.to_csv(cube, rows)}
        made = one.bundle(dictionary=dictionary.digest(), files=files)
        file.write_bytes(made.to_bytes())
    code, out, error = run(capsys, "merge", path, other, "--ring", ring)
    assert code == 0, error
    said = "mismatch: joint_project in activities: it4lia says 2, jaif says nothing"
    assert said in out
    told = json.loads(run(capsys, "merge", path, other, "--ring", ring, "--format", "json")[1])
    assert told["mismatches"][0]["second_says"] is None
    assert told["exchanges"][0]["counterpart"] == "jaif"


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("key",),
        ("key", "new", "--owner", "../x", "--key", "k.pem"),
        ("key", "new", "--owner", "x", "--key", "k.pem", "--role", "king"),
        ("key", "new", "--owner", "x", "--key", "k.pem", "--from", "soon"),
        ("schema", "users"),
        ("verify", "none.zip"),
        ("show", "none.zip"),
    ],
)
def test_what_is_asked_wrongly_exits_2_in_words(
    words: tuple[str, ...], capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, error = run(capsys, *words)
    assert code == 2
    assert error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_a_schema_is_printed(capsys: Any) -> None:
    code, out, _ = run(capsys, "schema", "manifest")
    assert code == 0
    assert json.loads(out)["properties"]["schema"] == {"const": "wattline-bundle-v1"}


def test_a_whole_bundle_reads_the_same_from_its_file(site: Any) -> None:
    assert bundle.read(site[2]).manifest == site[1].manifest


def test_an_organiser_vouches_for_the_next_key_and_then_the_stolen_one_goes(
    site: Any, capsys: Any, tmp_path: Path
) -> None:
    factory, _, path, ring = site
    old = keys.id_of(factory.private.public_key())

    def key(verb: str, *words: object) -> tuple[int, str, str]:
        return run(capsys, "key", verb, *words, "--ring", ring)

    key("new", "--owner", "eurohpc", "--role", "organiser", "--key", tmp_path / "o.pem")
    key("rotate", "--key", tmp_path / "f.pem", "--new", tmp_path / "g.pem")
    new = keys.id_of(keys.read_private(tmp_path / "g.pem").public_key())
    stolen = (old, "--key", tmp_path / "f.pem", "--reason", "compromised")
    code, _, error = key("revoke", *stolen)
    assert code == 2
    assert f"wattline bundle key vouch {new}" in error
    code, out, error = key("vouch", new, "--key", tmp_path / "o.pem")
    assert code == 0, error
    assert new in out
    assert key("revoke", *stolen)[0] == 0
    assert "revoked-key" in run(capsys, "verify", path, "--ring", ring)[2]
    # Whoever took it can sign with it, and must not take this back.
    code, _, error = key("revoke", old, "--key", tmp_path / "f.pem", "--reason", "retired")
    assert code == 2
    assert "not taken back" in error


def test_a_key_of_another_ring_comes_in_with_somebody_to_vouch_for_it(
    site: Any, capsys: Any, tmp_path: Path
) -> None:
    _, _, _, ring = site
    own = tmp_path / "own.json"
    run(
        capsys, "key", "new", "--owner", "eurohpc", "--role", "organiser", "--key",
        tmp_path / "o.pem", "--ring", ring,
    )  # fmt: skip
    run(capsys, "key", "new", "--owner", "jaiaf", "--key", tmp_path / "j.pem", "--ring", own)
    id = keys.id_of(keys.read_private(tmp_path / "j.pem").public_key())
    code, _, error = run(
        capsys, "key", "vouch", id, "--of", own, "--key", tmp_path / "o.pem", "--ring", ring
    )
    assert code == 0, error
    assert "jaiaf" in run(capsys, "key", "list", "--ring", ring)[1]

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from wattline_agents.errors import InputError
from wattline_collector.imports import files
from wattline_collector.imports.lines import Event, Refusals, events
from wattline_collector.imports.recording import Node, name_of


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def read_all(path: Path) -> list[tuple[str, bytes]]:
    return [(name, stream.read()) for name, stream in files.members(path)]


def test_a_gzip_file_is_known_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "plain.txt"
    path.write_bytes(gzip.compress(b"one\ntwo\n"))
    with files.opened(path) as stream:
        assert list(files.lines(stream)) == [(1, b"one\n"), (2, b"two\n")]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "is a directory; a file is needed"),
        (lambda path: path.write_bytes(b""), "is not a whole tar archive"),
        (lambda path: path.write_bytes(b"not a tar archive"), "is not a whole tar archive"),
        (
            lambda path: path.write_bytes(gzip.compress(bytes(5_000) + b"x" * 5_000)[:-20]),
            "ends early or is damaged",
        ),
    ],
)
def test_what_is_no_archive_is_refused_in_one_line(tmp_path: Path, make: object, said: str) -> None:
    path = tmp_path / "a.tar.gz"
    make(path)  # type: ignore[operator]
    with pytest.raises(InputError, match=said) as caught:
        read_all(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_archive_cut_off_in_the_middle_is_refused(tmp_path: Path) -> None:
    whole = archive(tmp_path / "whole.tar.gz", {"node_1.txt": bytes(range(256)) * 4_000})
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(InputError, match=r"cut\.tar\.gz.*ends early|not a whole tar archive"):
        read_all(cut)


def test_an_uncompressed_archive_is_read_too(tmp_path: Path) -> None:
    packed = archive(tmp_path / "a.tar.gz", {"x": b"1"})
    plain = tmp_path / "a.tar"
    plain.write_bytes(gzip.decompress(packed.read_bytes()))
    assert read_all(plain) == [("x", b"1")]


def test_a_member_that_claims_an_absurd_size_is_refused_before_it_is_read(tmp_path: Path) -> None:
    info = tarfile.TarInfo("node_1.txt")
    info.size = 10**15
    path = tmp_path / "bomb.tar"
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(InputError, match=r"'node_1\.txt' claims 1000000000000000 bytes"):
        read_all(path)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_an_extended_header_of_absurd_size_is_not_read_into_memory(
    tmp_path: Path, kind: bytes
) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type = kind
    info.size = 200 * 2**20
    path = tmp_path / "bomb.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(200):
            file.write(bytes(2**20))
    with pytest.raises(InputError, match="holds a header of absurd size"):
        read_all(path)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (tarfile.GNUTYPE_LONGNAME, b"x"),  # one long name after the other
        (tarfile.XHDTYPE, b"99 size=many\n"),
        (tarfile.XHDTYPE, b"0 x=y\n"),
        (tarfile.XHDTYPE, b"GNU.sparse.major"),
    ],
)
def test_headers_made_to_confuse_end_in_one_line(
    tmp_path: Path, kind: bytes, content: bytes
) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, len(content)
    header = info.tobuf(tarfile.GNU_FORMAT) + content.ljust(512, b"\0")
    path = tmp_path / "a.tar"
    path.write_bytes(header * 900)
    with pytest.raises(InputError) as caught:
        read_all(path)
    assert "\n" not in str(caught.value)


def test_members_before_and_after_a_large_one_are_read(tmp_path: Path) -> None:
    contents = {"a": b"1", "b": bytes(5_000_000), "c": b"3"}
    path = archive(tmp_path / "a.tar.gz", contents)
    assert [name for name, _ in files.members(path)] == list(contents)  # none of them read
    assert dict(read_all(path)) == contents


def test_a_stream_that_unpacks_to_more_than_the_limit_ends_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 1_000_000)
    bomb = archive(tmp_path / "bomb.tar.gz", {"node_1.txt": bytes(5_000_000)})
    assert bomb.stat().st_size < 20_000
    with pytest.raises(InputError, match="unpacks to more than 1000000 bytes"):
        read_all(bomb)


def test_an_archive_with_too_many_members_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_MEMBERS", 3)
    path = archive(tmp_path / "a.tar.gz", {f"f{i}": b"" for i in range(5)})
    with pytest.raises(InputError, match="has more than 3 members"):
        read_all(path)


def test_links_and_directories_in_an_archive_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind in (("d", tarfile.DIRTYPE), ("l", tarfile.SYMTYPE), ("h", tarfile.LNKTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    assert read_all(path) == []


def test_nothing_of_an_archive_is_written_to_disk(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar.gz", {"../../escaped.txt": b"x", "/abs.txt": b"y"})
    assert [name for name, _ in read_all(path)] == ["../../escaped.txt", "/abs.txt"]
    assert [p.name for p in tmp_path.rglob("*")] == ["a.tar.gz"]


def test_a_line_too_long_is_reported_and_the_next_one_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, "MAX_LINE_BYTES", 16)
    stream = io.BytesIO(b"short\n" + b"x" * 100 + b"\nafter\n")
    assert list(files.lines(stream)) == [(1, b"short\n"), (2, None), (3, b"after\n")]


def collect(text: bytes, *, strict: bool = False) -> tuple[list[Event], Refusals]:
    refusals = Refusals()
    found = list(events(io.BytesIO(text), Path("log"), refusals, strict=strict))
    return found, refusals


def test_a_log_line_is_read_with_and_without_a_rank_before_it() -> None:
    found, refusals = collect(
        b':::MLLOG {"key": "a", "time_ms": 1, "value": null, "metadata": ""}\n'
        b'208: :::MLLOG {"key":"b","time_ms":2.5,"value":"null","metadata":{"step":7}}\n'
        b"  0: anything else a program prints\n"
        b"+ echo ':::MLLOG {'\n"
    )
    assert [(e.key, e.time_ms, e.metadata.get("step")) for e in found] == [
        ("a", 1, None),
        ("b", 2.5, 7),
    ]
    assert refusals.refused == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b':::MLLOG {"key": "a", "time', "log:1: is not JSON"),
        (b":::MLLOG [1]", "log:1: is not a JSON object"),
        (b':::MLLOG {"time_ms": 1}', "log:1: key: missing or not text"),
        (b':::MLLOG {"key": "a"}', "log:1: time_ms: missing or not a time"),
        (b':::MLLOG {"key": "a", "time_ms": true}', "log:1: time_ms: missing"),
        (b':::MLLOG {"key": "a", "time_ms": 1e999}', "log:1: time_ms: missing"),
        (b':::MLLOG {"key": "a", "time_ms": NaN}', "log:1: is not JSON: NaN"),
        (b":::MLLOG " + b'{"a":' * 100_000, "log:1: is not JSON: nested too deeply"),
    ],
)
def test_a_malformed_line_is_counted_and_named(line: bytes, said: str) -> None:
    found, refusals = collect(line + b"\n")
    assert found == []
    assert refusals.refused == 1
    assert str(refusals.first[0]).startswith(said)


def test_where_nothing_else_belongs_other_text_is_malformed() -> None:
    _, refusals = collect(b"\nrubbish\n", strict=True)
    assert [str(error) for error in refusals.first] == ["log:2: is not a line `:::MLLOG {...}`"]


def test_one_malformed_line_in_a_hundred_is_let_pass_and_two_are_not() -> None:
    refusals = Refusals(good=99)
    refusals.add(InputError("is broken", path="log", line=7))
    refusals.check()
    assert refusals.notes() == ["1 malformed of 100 lines left out", "  log:7: is broken"]
    refusals.add(InputError("is broken too", path="log", line=9))
    with pytest.raises(InputError, match=r"log:7: is broken \(2 of 101 lines.*nothing was impor"):
        refusals.check()


def test_many_malformed_lines_are_counted_and_the_first_few_named() -> None:
    refusals = Refusals(good=10_000)
    for line in range(5):
        refusals.add(InputError("is broken", path="log", line=line))
    assert refusals.notes()[0] == "5 malformed of 10005 lines left out"
    assert refusals.notes()[-1] == "  and 2 more"


@pytest.mark.parametrize(
    ("start", "end", "joules"),
    [
        (0, 2_000, 300.0),  # all of it: 100 W rising to 200 W
        (500, 1_500, 150.0),
        (1_000, 9_000, 175.0),  # after the last reading nothing is known
        (-9_000, 0, 0.0),  # nor before the first
    ],
)
def test_energy_is_the_area_under_the_readings_cut_at_both_ends(
    start: int, end: int, joules: float
) -> None:
    node = Node.of("n", [(2_000, 200.0), (0, 100.0)])
    assert node.joules(start, end) == pytest.approx(joules)


def test_energy_across_a_hole_in_the_recording_is_counted() -> None:
    node = Node.of("n", [(0, 100.0), (2_000, 100.0), (22_000, 100.0), (24_000, 100.0)])
    assert node.joules(0, 24_000) == pytest.approx(2_400.0)
    assert node.period_ms == 2_000


def test_of_two_readings_at_one_time_the_first_counts() -> None:
    node = Node.of("n", [(0, 100.0), (1_000, 100.0), (1_000, 900.0)])
    assert list(node.watts) == [100.0, 100.0]


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("gpt3_64x8H100.power.tar.gz", "gpt3_64x8H100"),
        ("run.tgz", "run"),
        ("my run (2).tar", "my-run-2"),
        ("llama2-70b-99.9_Offline", "llama2-70b-99.9_Offline"),
        ("..", "run"),
        ("x" * 300, "x" * 96),
    ],
)
def test_a_recording_is_named_after_its_file_in_characters_names_have(
    file_name: str, name: str
) -> None:
    assert name_of(file_name) == name

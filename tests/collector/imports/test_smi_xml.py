import io
from pathlib import Path

import pytest

from wattline_agents.errors import InputError
from wattline_collector.imports import smi_xml
from wattline_collector.imports.smi_xml import Document, documents


def read(text: str) -> list[Document | InputError]:
    return list(documents(io.BytesIO(text.encode()), Path("q.xml")))


def only(text: str) -> Document:
    (document,) = read(text)
    assert isinstance(document, Document)
    return document


def log(inside: str) -> str:
    return f"<nvidia_smi_log>{inside}</nvidia_smi_log>\n"


def test_fields_are_known_by_their_path() -> None:
    document = only(
        log("<timestamp>now</timestamp><gpu id='x'><a><b> 1 W </b><c/></a><d>2</d></gpu>"
            "<gpu id='y'><d>3</d></gpu>")
    )  # fmt: skip
    assert document.fields == {"timestamp": "now"}
    assert [gpu.fields for gpu in document.gpus] == [{"a/b": "1 W", "d": "2"}, {"d": "3"}]


def test_what_comes_after_a_part_is_of_the_gpu_again() -> None:
    document = only(
        log("<gpu><mig_devices><mig_device><index>0</index></mig_device></mig_devices>"
            "<uuid>U</uuid><processes><process_info><pid>1</pid></process_info></processes>"
            "<serial>S</serial></gpu><end>e</end>")
    )  # fmt: skip
    (gpu,) = document.gpus
    assert gpu.fields == {"uuid": "U", "serial": "S"}
    assert gpu.instances == [{"index": "0"}]
    assert gpu.processes == [{"pid": "1"}]
    assert document.fields == {"end": "e"}


def test_one_document_follows_the_other_with_text_between() -> None:
    text = '<?xml version="1.0" ?>\n' + log("<a>1</a>") + "\nother text\n" + log("<a>2</a>")
    found = read(text)
    assert [one.fields["a"] for one in found if isinstance(one, Document)] == ["1", "2"]
    assert [one.line for one in found if isinstance(one, Document)] == [2, 5]


def test_a_document_type_is_never_read_so_nothing_is_expanded_or_fetched() -> None:
    bomb = (
        '<?xml version="1.0"?>\n<!DOCTYPE nvidia_smi_log [\n'
        '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">\n'
        '<!ENTITY f SYSTEM "file:///etc/passwd">]>\n'
    )
    (found,) = read(bomb + log("<x>&b;</x><y>&f;</y>"))
    assert str(found) == "q.xml:5: is not XML: undefined entity"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<nvidia_smi_log><a></nvidia_smi_log>\n", "q.xml:1: is not XML: mismatched tag"),
        ("<nvidia_smi_log>\n<a>", "q.xml:1: ends before `</nvidia_smi_log>`"),
        (log("<a>" * 50 + "</a>" * 50), "q.xml:1: is nested too deeply"),
        (log("<!DOCTYPE x><a/>"), "q.xml:1: is not XML: "),
    ],
)
def test_what_is_no_document_is_named(text: str, said: str) -> None:
    (found,) = read(text)
    assert str(found).startswith(said)


def test_a_document_without_end_fills_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smi_xml, "_MOST_BYTES", 1_000)
    text = "<nvidia_smi_log>\n" + "<a>1</a>\n" * 10_000 + "</nvidia_smi_log>\n" + log("<a>2</a>")
    first, second = read(text)
    assert str(first) == "q.xml:1: a document of more than 1000 bytes"
    assert isinstance(second, Document)
    assert second.fields == {"a": "2"}


def test_a_torn_document_does_not_hide_the_next() -> None:
    first, second = read("<nvidia_smi_log>\n<a>1\n" + log("<a>2</a>"))
    assert str(first) == "q.xml:1: ends before `</nvidia_smi_log>`"
    assert isinstance(second, Document)

import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattline_agents.assignment import kubelet_call
from wattline_agents.assignment.kubelet_call import KubeletCall
from wattline_agents.assignment.pod_resources import ALLOCATABLE, LIST
from wattline_agents.errors import ReadFailed

Finish = Callable[[KubeletCall], bytes]
RawPeer = Callable[[list[bytes]], str]


def frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
    return len(body).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + body


def message(body: bytes) -> bytes:
    return struct.pack(">?I", False, len(body)) + body


SETTINGS = frame(4, 0, 0)
END = frame(1, 0x5, 1)


def test_a_real_server_s_answer_comes_back_whole(kubelet: Any, finish: Finish) -> None:
    kubelet.pod("p", "GPU-1")
    answer = finish(KubeletCall(str(kubelet.path), LIST))
    assert answer == kubelet.response.SerializeToString()
    assert kubelet.asked == ["List"]


def test_an_answer_of_many_frames_comes_back_whole(kubelet: Any, finish: Finish) -> None:
    for number in range(20_000):
        kubelet.pod(f"pod-{number}", f"GPU-{number}-of-a-name-that-is-not-short")
    answer = finish(KubeletCall(str(kubelet.path), LIST))
    assert len(answer) > 1_000_000
    assert answer == kubelet.response.SerializeToString()


def test_an_empty_answer_is_one(kubelet: Any, finish: Finish) -> None:
    assert finish(KubeletCall(str(kubelet.path), LIST)) == b""


def test_nothing_is_waited_for(kubelet: Any, finish: Finish) -> None:
    kubelet.may_answer.clear()
    call = KubeletCall(str(kubelet.path), LIST)
    assert [call.step() for _ in range(3)] == [None] * 3
    kubelet.may_answer.set()
    assert finish(call) == b""


def test_a_call_that_is_refused_is_a_failure(kubelet: Any, finish: Finish) -> None:
    import grpc

    kubelet.refuses = grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(ReadFailed, match="refused the call"):
        finish(KubeletCall(str(kubelet.path), LIST))
    kubelet.knows_allocatable = False
    with pytest.raises(ReadFailed, match="refused the call"):
        finish(KubeletCall(str(kubelet.path), ALLOCATABLE))
    with pytest.raises(ReadFailed, match="refused the call"):
        finish(KubeletCall(str(kubelet.path), "/v1.Nothing/AtAll"))


def test_nobody_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReadFailed, match="No such file or directory"):
        KubeletCall(str(tmp_path / "none.sock"), LIST)
    (tmp_path / "file").write_text("")
    with pytest.raises(ReadFailed, match="Connection refused"):
        KubeletCall(str(tmp_path / "file"), LIST)
    with pytest.raises(ReadFailed, match="too long"):
        KubeletCall("/x" * 200, LIST)


def test_an_answer_in_the_smallest_pieces_is_read(raw_peer: RawPeer, finish: Finish) -> None:
    whole = SETTINGS + frame(1, 4, 1) + frame(0, 0, 1, message(b"abcdef")) + END
    path = raw_peer([whole[at : at + 1] for at in range(len(whole))])
    assert finish(KubeletCall(path, LIST)) == b"abcdef"


def test_what_servers_say_beside_the_answer_is_passed_over(
    raw_peer: RawPeer, finish: Finish
) -> None:
    path = raw_peer(
        [
            SETTINGS,
            frame(4, 1, 0),  # our settings are taken
            frame(8, 0, 0, b"\0\0\1\0"),  # a window
            frame(6, 0, 0, b"12345678"),  # a ping
            frame(1, 0, 1) + frame(9, 4, 1),  # headers in two parts
            frame(0, 8, 1, b"\x02" + message(b"ab")[:4] + b"\0\0"),  # padded
            frame(0, 0, 3, b"of another stream"),
            frame(99, 0, 1, b"of a kind to come"),
            frame(7, 0, 0, b"\0\0\0\1" + b"\0\0\0\0"),  # goes away after our stream
            frame(0, 1, 1, message(b"ab")[4:]),
        ]
    )
    assert finish(KubeletCall(path, LIST)) == b"ab"


def test_settings_and_pings_are_acknowledged(tmp_path: Path, finish: Finish) -> None:
    import socket

    path = str(tmp_path / "s.sock")
    heard = bytearray()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                heard.extend(peer.recv(65_536))
                peer.sendall(SETTINGS + frame(6, 0, 0, b"12345678"))
                while len(heard) < size + 26:
                    heard.extend(peer.recv(65_536))
                peer.sendall(frame(0, 1, 1, message(b"")))

        size = len(kubelet_call._opening(LIST, b""))
        thread = threading.Thread(target=answer)
        thread.start()
        assert finish(KubeletCall(path, LIST)) == b""
        thread.join(10)
    assert heard[size:] == frame(4, 1, 0) + frame(6, 1, 0, b"12345678")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([], "hung up"),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "no HTTP/2"),
        ([b"\xff" * 100], "no HTTP/2"),
        ([SETTINGS, frame(3, 0, 1, b"\0\0\0\7")], r"gave the call up \(7\)"),
        ([SETTINGS, frame(7, 0, 0, b"\0" * 8)], "takes no calls"),
        ([SETTINGS, frame(0, 0, 1, message(b"abc"))], "hung up"),
        ([SETTINGS, frame(0, 1, 1, message(b"abc")[:-1])], "not one whole message"),
        ([SETTINGS, frame(0, 1, 1, message(b"abc") * 2)], "not one whole message"),
        ([SETTINGS, frame(0, 1, 1, b"\1" + message(b"abc")[1:])], "not one whole message"),
        ([SETTINGS, frame(0, 9, 1)], "refused"),
        ([SETTINGS, frame(0, 9, 1, b"\xff")], "refused"),
        ([SETTINGS, END], "refused"),
    ],
)
def test_a_peer_that_is_no_kubelet_does_no_harm(
    raw_peer: RawPeer, finish: Finish, said: list[bytes], reason: str
) -> None:
    with pytest.raises(ReadFailed, match=reason):
        finish(KubeletCall(raw_peer(said), LIST))


def test_an_answer_without_end_is_cut_off(
    raw_peer: RawPeer, finish: Finish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubelet_call, "MOST_BYTES", 100_000)
    path = raw_peer([SETTINGS] + [frame(0, 0, 1, b"x" * 16_384)] * 20)
    with pytest.raises(ReadFailed, match="longer than 100000 bytes"):
        finish(KubeletCall(path, LIST))


def test_a_call_leaves_no_descriptor_behind(kubelet: Any, finish: Finish) -> None:
    import os

    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        finish(KubeletCall(str(kubelet.path), LIST))
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # the server's own may linger

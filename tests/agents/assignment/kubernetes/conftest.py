import importlib.util
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from wattline_agents.assignment.kubelet_call import KubeletCall

PROTO = Path(__file__).with_name("pod_resources.proto")


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModuleType, ModuleType]:
    """Messages and service, as gRPC's own tools make them of the kubelet's definition."""
    protoc = pytest.importorskip("grpc_tools.protoc")
    folder = tmp_path_factory.mktemp("proto")
    code = protoc.main(
        ["protoc", f"-I{PROTO.parent}", f"--python_out={folder}", f"--grpc_python_out={folder}",
         str(PROTO)]
    )  # fmt: skip
    assert code == 0
    modules = []
    for name in ("pod_resources_pb2", "pod_resources_pb2_grpc"):
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        assert spec is not None and spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        modules.append(module)
    return modules[0], modules[1]


class Kubelet:
    """A real gRPC server on a Unix socket, with the kubelet's service."""

    def __init__(self, api: tuple[ModuleType, ModuleType], path: Path) -> None:
        self._messages, self._service = api
        self.path = path
        self.response = self._messages.ListPodResourcesResponse()
        self.allocatable: Any = self._messages.AllocatableResourcesResponse()
        self.refuses: Any = None
        self.knows_allocatable = True
        self.asked: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._server: Any = None

    def pod(self, name: str, *devices: str, namespace: str = "ns", **more: Any) -> None:
        """One more pod, with devices of `resource` in one container."""
        resource = more.get("resource", "nvidia.com/gpu")
        pod = self.response.pod_resources.add(name=name, namespace=namespace)
        container = pod.containers.add(name="main", cpu_ids=[1, 2, 3])
        container.memory.add(memory_type="memory", size=2**40).topology.nodes.add(ID=1)
        if devices:
            held = container.devices.add(resource_name=resource, device_ids=devices)
            held.topology.nodes.add(ID=0)
        if driver := more.get("driver"):
            claim = container.dynamic_resources.add(claim_name="c", claim_namespace="ns")
            part = claim.claim_resources.add(driver_name=driver, pool_name="p", device_name="gpu-0")
            part.cdi_devices.add(name="nvidia.com/gpu=0")

    def clear(self) -> None:
        """No pod holds anything."""
        self.response = self._messages.ListPodResourcesResponse()

    def can_allocate(self, *devices: str, resource: str = "nvidia.com/gpu") -> None:
        self.allocatable.devices.add(resource_name=resource, device_ids=devices)

    def start(self) -> None:
        import grpc

        kubelet = self

        class Servicer(self._service.PodResourcesListerServicer):  # type: ignore[name-defined,misc]
            def List(self, request: Any, context: Any) -> Any:
                kubelet.asked.append("List")
                kubelet.may_answer.wait(30)
                if kubelet.refuses is not None:
                    context.abort(kubelet.refuses, "because")
                return kubelet.response

            def GetAllocatableResources(self, request: Any, context: Any) -> Any:
                kubelet.asked.append("GetAllocatableResources")
                if not kubelet.knows_allocatable:
                    context.abort(grpc.StatusCode.UNIMPLEMENTED, "unknown method")
                return kubelet.allocatable

        self._pool = ThreadPoolExecutor(4)
        self._server = grpc.server(self._pool)
        self._service.add_PodResourcesListerServicer_to_server(Servicer(), self._server)
        self._server.add_insecure_port(f"unix:{self.path}")
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self.may_answer.set()
            self._server.stop(None).wait()
            self._pool.shutdown()
            self._server = None


@pytest.fixture
def kubelet(api: tuple[ModuleType, ModuleType], tmp_path: Path) -> Iterator[Kubelet]:
    server = Kubelet(api, tmp_path / "kubelet.sock")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def finish() -> Callable[[KubeletCall], bytes]:
    """Steps a call to its end, as the ticks of an agent would."""

    def finish(call: KubeletCall) -> bytes:
        import select

        poll = select.poll()
        poll.register(call._socket, select.POLLIN)
        try:
            while (answer := call.step()) is None:
                assert poll.poll(10_000), "nothing came in ten seconds"
        finally:
            call.close()
        return answer

    return finish


@pytest.fixture
def raw_peer(tmp_path: Path) -> Iterator[Callable[[Sequence[bytes]], str]]:
    """A socket whose peer says these bytes to whoever calls, and hangs up."""
    threads: list[threading.Thread] = []
    servers: list[socket.socket] = []

    def serve(said: Sequence[bytes]) -> str:
        path = str(tmp_path / f"raw-{len(servers)}.sock")
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        server.listen()
        servers.append(server)

        def answer() -> None:
            peer, _ = server.accept()
            with peer:
                peer.recv(65_536)
                try:
                    for part in said:
                        peer.sendall(part)
                    peer.shutdown(socket.SHUT_WR)
                    while peer.recv(65_536):  # what is not taken would turn the end into an error
                        pass
                except OSError:
                    pass  # the caller has heard enough

        threads.append(threading.Thread(target=answer))
        threads[-1].start()
        return path

    yield serve
    for thread in threads:
        thread.join(10)
    for server in servers:
        server.close()

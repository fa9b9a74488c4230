"""The gRPC protocols on one port: the Open Inference Protocol, TensorFlow Serving, and gRPC's health checks."""

import errno
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import grpc
import grpc.aio

from modelyard.access import Permission
from modelyard.core import ModelyardError, log_event
from modelyard.routing import DEFAULT_POLICY

from ..dataplane import DataPlane
from ..errors import BODY_LIMIT, NotServed, TooLarge
from ..opened import require_policies
from . import grpc_open_inference, grpc_tensorflow
from .answering import ready
from .contract import Call, sentence
from .grpc_contract import Method, OnStream, code_of, parse
from .messages import HEALTH

HEALTH_SERVICE = "grpc.health.v1.Health"
SERVING, NOT_SERVING = 1, 2

Authorize = Callable[[str | None, Permission, str | None, str, str | None], None]
"""Whether a bearer token, at an address that speaks for another one or for none, may do something to a deployment:
returns, or raises RateLimited or Forbidden's children.
"""

_PROTOCOLS: Mapping[str, Mapping[str, Method]] = {
    grpc_open_inference.SERVICE: grpc_open_inference.METHODS,
    grpc_tensorflow.SERVICE: grpc_tensorflow.METHODS,
}
_LONGEST_TEXT = 1000
"""Details of an error travel as a header, and those have a limit."""

_LOOPBACK = ("ipv4:127.", "ipv6:[::1]", "ipv6:%5B::1%5D")
_Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
_MethodHandler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"


class GrpcServer:
    """A gRPC server of one process, on the event loop of its data plane.

    `authorize` is asked before every method that needs a permission. `draining` True makes it say that it is not
    ready.
    """

    def __init__(self, plane: DataPlane, authorize: Authorize) -> None:
        self._plane = plane
        self._authorize = authorize
        self._server: grpc.aio.Server | None = None
        self.draining = False

    async def start(
        self, host: str, port: int, *, share_port: bool = False, tls: tuple[Path, Path] | None = None
    ) -> int:
        """Listen, and return the port (that asked for, or a free one for 0). OSError when it is in use.

        `share_port` lets several processes listen on it, each of which must say so (SO_REUSEPORT); the kernel spreads
        connections over them. `tls`: a certificate and its private key, PEM files.
        """
        options = [("grpc.so_reuseport", int(share_port)), ("grpc.max_receive_message_length", self._largest_body())]
        server = grpc.aio.server(options=options)
        server.add_generic_rpc_handlers(tuple(self._services()))
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            bound = server.add_insecure_port(address) if tls is None else server.add_secure_port(address, _shown(*tls))
        except RuntimeError as error:
            raise OSError(errno.EADDRINUSE, f"gRPC cannot listen on {address}") from error
        await server.start()
        self._server = server
        return bound

    async def stop(self, grace_seconds: float) -> None:
        """Take no new requests, and give those begun a time to end."""
        self.draining = True
        if self._server is not None:
            await self._server.stop(grace_seconds)

    def _services(self) -> list[grpc.GenericRpcHandler]:
        health = {"Check": Method(HEALTH["HealthCheckRequest"], self._check, None)}
        services = {**_PROTOCOLS, HEALTH_SERVICE: health}
        require_policies(
            (f"{name}/{each}", it.permission) for name, them in services.items() for each, it in them.items()
        )
        return [
            grpc.method_handlers_generic_handler(name, {each: self._handler(method) for each, method in table.items()})
            for name, table in services.items()
        ]

    def _handler(self, method: Method) -> _MethodHandler:
        """A handler of bytes: a request that cannot be parsed is the caller's fault, which gRPC would call ours."""
        if method.on_stream is not None:
            return grpc.stream_stream_rpc_method_handler(self._stream(method, method.on_stream))

        async def unary(raw: bytes, context: _Context) -> bytes:
            try:
                return bytes((await self._answer(method, raw, context)).SerializeToString())
            except ModelyardError as error:
                code, text = code_of(error), sentence(error)
            except Exception as error:  # the process edge: the caller gets no traceback, the log does
                code, text = _internal(error)
            return await context.abort(code, text[:_LONGEST_TEXT])

        return grpc.unary_unary_rpc_method_handler(unary)

    def _stream(self, method: Method, on_stream: OnStream) -> Callable[[AsyncIterator[bytes], _Context], Any]:
        """A request with an error does not end the stream: its answer says so."""

        async def stream(raws: AsyncIterator[bytes], context: _Context) -> AsyncIterator[bytes]:
            async for raw in raws:
                answer, text = None, ""
                try:
                    answer = await self._answer(method, raw, context)
                except ModelyardError as error:
                    text = sentence(error)
                except Exception as error:  # the process edge: the caller gets no traceback, the log does
                    _, text = _internal(error)
                yield bytes(on_stream(answer, text[:_LONGEST_TEXT]).SerializeToString())

        return stream

    async def _answer(self, method: Method, raw: bytes, context: _Context) -> Any:
        """The answer to a request, in a span when traces are wanted."""
        if self._plane.tracing is None or method.permission is None:
            return await self._counted(method, raw, context)
        with self._plane.tracing.request(
            method.request.DESCRIPTOR.full_name, _headers(context), **{"rpc.system": "grpc"}
        ):
            return await self._counted(method, raw, context)

    async def _counted(self, method: Method, raw: bytes, context: _Context) -> Any:
        """The answer to a request, counted by its code as those over HTTP are."""
        model = None
        try:
            request = parse(method.request, raw)
            model = method.model(request)
            answer = await self._admitted(method, request, raw, context)
        except ModelyardError as error:
            if method.permission is not None:
                self._plane.answered(model, code_of(error).name)
            raise
        if method.permission is not None:
            self._plane.answered(model, "OK")
        return answer

    async def _admitted(self, method: Method, request: Any, raw: bytes, context: _Context) -> Any:
        model = method.model(request)
        policy = self._plane.deployments.policy(model)
        call = self._call(raw, context, policy.rows_limit)
        if method.permission is not None:
            source = context.peer().removeprefix("ipv4:").removeprefix("ipv6:").rpartition(":")[0]
            self._authorize(_token(call), method.permission, model, source, call.headers.get("x-forwarded-for"))
        if len(raw) > policy.body_limit:
            raise TooLarge(
                f"The message is larger than {policy.body_limit} bytes.",
                remedy=f"Send fewer rows in each request. {BODY_LIMIT}",
            )
        return await method.handler(self._plane, request, call)

    def _largest_body(self) -> int:
        """Of the deployments there are at the start: gRPC has one limit for all."""
        return max(
            [DEFAULT_POLICY.body_limit, *(each.policy.body_limit for each in self._plane.deployments.current.values())]
        )

    def _call(self, raw: bytes, context: _Context, rows_limit: int) -> Call:
        return Call(
            headers=_headers(context),
            body=raw,
            loopback=context.peer().startswith(_LOOPBACK),
            draining=self.draining,
            rows_limit=rows_limit,
        )

    async def _check(self, plane: DataPlane, request: Any, call: Call) -> Any:
        if request.service not in ("", HEALTH_SERVICE, *_PROTOCOLS):
            raise NotServed(
                f"There is no service '{request.service[:80]}'.", remedy=f"There are: {', '.join(_PROTOCOLS)}."
            )
        return HEALTH["HealthCheckResponse"](status=SERVING if ready(plane, call) else NOT_SERVING)


def _shown(certificate: Path, key: Path) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])


def policies_of(services: Mapping[str, Mapping[str, Method]]) -> Iterator[tuple[str, Permission | None]]:
    """Each method, `SERVICE/METHOD`, with the permission that it takes; None where it is open to everybody."""
    for name, methods in services.items():
        yield from ((f"{name}/{each}", method.permission) for each, method in methods.items())


def _headers(context: _Context) -> dict[str, str]:
    pairs = context.invocation_metadata() or ()
    return {str(name): value for name, value in pairs if isinstance(value, str)}


def _token(call: Call) -> str | None:
    scheme, _, token = call.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else None


def _internal(error: Exception) -> tuple[grpc.StatusCode, str]:
    log_event("serving", "gRPC request failed", error=repr(error))
    return grpc.StatusCode.INTERNAL, "The server failed. See the server's log."

"""Health, reflection and a session, by a client that knows only gRPC and the reflection protocol's first message.

    standard_client.py SOCKET     prints what it did; exit code 0: all as expected
"""
import sys

import grpc
from google.protobuf import descriptor_pool, message_factory

PATIENCE = 60
REFLECTION = "grpc.reflection.v1alpha.ServerReflection"


def field(number, payload):
    """A length-delimited protobuf field of less than 128 bytes."""
    return bytes([number << 3 | 2, len(payload)]) + payload


def fields(data):
    """(number, payload) of each length-delimited field of a message; other fields are passed over."""
    def varint(at):
        value = shift = 0
        while True:
            value |= (data[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 128:
                return value, at
    at = 0
    while at < len(data):
        key, at = varint(at)
        if key & 7 == 2:
            size, at = varint(at)
            yield key >> 3, data[at:at + size]
            at += size
        else:
            _, at = varint(at)


def raw(value):
    return value


class Server:
    """What reflection tells of a server, and calls by name."""

    def __init__(self, channel):
        self.channel = channel
        self.pool = descriptor_pool.DescriptorPool()
        self.factory = message_factory.MessageFactory(self.pool)
        # Bootstrap: file_containing_symbol is field 4 of the request, the files are field 1 in field 4 of the response.
        call = channel.stream_stream(f"/{REFLECTION}/ServerReflectionInfo", request_serializer=raw,
                                     response_deserializer=raw)
        reply = next(call(iter([field(4, REFLECTION.encode())]), timeout=PATIENCE))
        self.add(payload for number, part in fields(reply) if number == 4
                 for inner, payload in fields(part) if inner == 1)

    def add(self, serialized):
        for data in reversed(list(serialized)):   # imports first
            self.pool.AddSerializedFile(data)

    def message(self, name):
        return self.factory.GetPrototype(self.pool.FindMessageTypeByName(name))

    def method(self, service, name):
        found = self.pool.FindServiceByName(service).FindMethodByName(name)
        return (f"/{service}/{name}", self.factory.GetPrototype(found.input_type),
                self.factory.GetPrototype(found.output_type))

    def unary(self, service, name, values=None):
        path, request, response = self.method(service, name)
        call = self.channel.unary_unary(path, request_serializer=request.SerializeToString,
                                        response_deserializer=response.FromString)
        return call(request(**(values or {})), timeout=PATIENCE)

    def stream(self, service, name, requests):
        path, request, response = self.method(service, name)
        call = self.channel.stream_stream(path, request_serializer=request.SerializeToString,
                                          response_deserializer=response.FromString)
        return call((request(**values) for values in requests), timeout=PATIENCE)


def expect(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: found {found!r}, expected {wanted!r}")
    print(f"{what}: {found!r}")


def error_of(call):
    try:
        call()
        return None
    except grpc.RpcError as error:
        return error.code()


def main(path):
    with grpc.insecure_channel(f"unix:{path}") as channel:
        server = Server(channel)
        questions = [{"list_services": ""}, {"file_containing_symbol": "wasi_netd.v1.Broker"},
                     {"file_containing_symbol": "grpc.health.v1.Health"}, {"file_by_filename": "none.proto"}]
        replies = list(server.stream(REFLECTION, "ServerReflectionInfo", questions))
        names = sorted(service.name for service in replies[0].list_services_response.service)
        expect("services", names, ["grpc.health.v1.Health", REFLECTION, "wasi_netd.v1.Broker"])
        for reply in replies[1:3]:
            server.add(reply.file_descriptor_response.file_descriptor_proto)
        expect("unknown file", replies[3].error_response.error_code, grpc.StatusCode.NOT_FOUND.value[0])

        health = "grpc.health.v1.Health"
        expect("health", server.unary(health, "Check").status, 1)
        expect("health of the broker", server.unary(health, "Check", {"service": "wasi_netd.v1.Broker"}).status, 1)
        expect("health of nobody", error_of(lambda: server.unary(health, "Check", {"service": "nobody"})),
               grpc.StatusCode.NOT_FOUND)

        events = list(server.stream("wasi_netd.v1.Broker", "OpenSession", [{"hello": {"guest": "python"}}, {"end": {}}]))
        expect("session events", [event.WhichOneof("event") for event in events], ["opened"])
        expect("protocols", [protocol.name for protocol in events[0].opened.protocols], ["web"])
        expect("token size", len(events[0].opened.session), 16)
        tokens = {"session": events[0].opened.session, "handle": events[0].opened.protocols[0].handle}
        stale = error_of(lambda: server.unary("wasi_netd.v1.Broker", "Close", tokens))
        expect("a call with the token of a session that is over", stale, grpc.StatusCode.UNAUTHENTICATED)
    print("all as expected")


if __name__ == "__main__":
    main(sys.argv[1])

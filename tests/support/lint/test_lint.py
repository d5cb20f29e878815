#!/usr/bin/python3
"""The checkers' own tests: what each must find, and what it must leave alone."""

import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import co_await  # noqa: E402
import docs  # noqa: E402
import layers  # noqa: E402
import tree  # noqa: E402


def lines(text):
    return [line for line, _ in co_await.check(None, text)]


class CoAwait(unittest.TestCase):
    def test_finds_a_braced_temporary(self):
        self.assertEqual(lines("awaitable<void> f() {\n  co_await g(Point{1, 2});\n}"), [2])

    def test_finds_a_brace_before_the_await(self):
        self.assertEqual(lines("awaitable<void> f() {\n  Pair p{1, co_await g()};\n}"), [2])

    def test_finds_a_capturing_lambda(self):
        self.assertEqual(lines("void f() {\n  co_await post([self] { self->run(); });\n}"), [2])

    def test_finds_a_conditional_on_either_side(self):
        self.assertEqual(lines("void f() {\n  auto x = ready ? y : co_await g();\n  co_await (a ? b : c);\n}"), [2, 3])

    def test_finds_it_over_several_lines(self):
        self.assertEqual(lines("void f() {\n  auto r = co_await g(\n      1,\n      Options{});\n}"), [2])

    def test_finds_it_in_a_condition(self):
        self.assertEqual(lines("void f() {\n  if (co_await g(A{1})) { h(); }\n}"), [2])

    def test_finds_it_inside_the_body_of_a_lambda(self):
        self.assertEqual(lines("void f() {\n  spawn([self]() -> awaitable<void> {\n    co_await g({});\n  });\n}"), [3])

    def test_finds_co_yield_and_an_await_in_a_capture(self):
        self.assertEqual(lines("void f() {\n  co_yield A{1};\n  g([x = co_await h()] {});\n}"), [2, 3])

    def test_leaves_plain_awaits_alone(self):
        self.assertEqual(lines("void f() {\n  auto [error, n] = co_await read(buffer, as_tuple);\n  if (!error) {\n"
                               "    co_return A{1};\n  }\n  while (co_await more()) {\n    h();\n  }\n}"), [])

    def test_leaves_a_lambda_whose_body_awaits_alone(self):
        self.assertEqual(lines("void f() {\n  spawn(loop, [self]() -> awaitable<void> { co_await self->run(); }, x);\n}"), [])

    def test_leaves_a_lambda_without_captures_alone(self):
        self.assertEqual(lines("void f() {\n  co_await post([] { run(); });\n}"), [])

    def test_leaves_comments_strings_and_other_statements_alone(self):
        self.assertEqual(lines('void f() {\n  Point p{1}; /* { ? */ co_await g(p, "{?"); // {\n  int n = 1\'000;\n'
                               '  auto s = R"(co_await {)";\n  x = y ? 1 : 2;\n}'), [])

    def test_knows_blocks_from_initialisers(self):
        self.assertEqual(lines("struct A : B { int x; };\nA::A() : x_{1}, y_(2) { g(); }\nauto f() -> awaitable<int> {\n"
                               "  switch (x) {\n    case 1: {\n      co_await g();\n    }\n  }\n  if (y) [[likely]] {\n"
                               "    co_await h();\n  }\n}"), [])


class Layers(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name).resolve()
        for name in ("policy/policy.h", "daemon/net/net.h", "daemon/rpc/rpc.h", "client-shim/src/fd.h",
                     "proto/wasi_netd/errno.def", "client-shim/include/wasi_netd/client.h"):
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).touch()

    def findings(self, file, text):
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        return [message for _, message in layers.check(path, text, self.root)]

    def test_downward_is_allowed(self):
        self.assertEqual(self.findings("daemon/rpc/a.cc", '#include "daemon/net/net.h"\n#include "policy/policy.h"\n'), [])
        self.assertEqual(self.findings("policy/a.cc", '#include "wasi_netd/errno.def"\n#include <vector>\n'), [])

    def test_upward_is_found(self):
        self.assertEqual(self.findings("daemon/net/a.cc", '#include "daemon/rpc/rpc.h"\n'),
                         ["daemon/net must not include daemon/rpc (daemon/rpc/rpc.h)"])
        self.assertEqual(self.findings("policy/a.cc", '#  include "../daemon/net/net.h"\n'),
                         ["policy must not include daemon/net (../daemon/net/net.h)"])

    def test_daemon_and_shim_do_not_meet(self):
        self.assertEqual(len(self.findings("daemon/app/a.cc", '#include "wasi_netd/client.h"\n')), 1)
        self.assertEqual(len(self.findings("client-shim/src/a.cc", '#include "policy/policy.h"\n')), 1)

    def test_angle_brackets_do_not_hide_an_include(self):
        self.assertEqual(len(self.findings("policy/a.cc", "#include <daemon/net/net.h>\n")), 1)

    def test_pure_layers_have_no_sockets_and_no_grpc(self):
        for header in ("boost/asio.hpp", "sys/socket.h", "thread", "grpcpp/grpcpp.h"):
            self.assertEqual(len(self.findings("policy/a.cc", f"#include <{header}>\n")), 1, header)
        self.assertEqual(len(self.findings("daemon/broker/a.cc", '#include "wasi_netd/v1/broker.grpc.pb.h"\n')), 1)
        self.assertEqual(self.findings("daemon/rpc/a.cc", '#include "wasi_netd/v1/broker.grpc.pb.h"\n'), [])

    def test_every_file_lies_in_a_layer(self):
        self.assertEqual(len(self.findings("daemon/odd/a.cc", "")), 1)

    def test_an_unknown_include_directory_hides_nothing(self):
        self.assertEqual(len(self.findings("policy/a.cc", '#include "net.h"\n')), 1)
        self.assertEqual(self.findings("policy/a.cc", '#include "outside/net.hpp"\n'), [])


class Semantics(unittest.TestCase):
    TABLE = "| FAULT-1 | a pointer | `fault` |\n"

    def findings(self, test, table=TABLE):
        return [message for _, message in docs.check_semantics(table, [test])]

    def test_the_name_of_a_case_holds_a_row_down(self):
        for test in ("TEST(A, FAULT_1_IsFault) {", "TEST_F(A, Is_FAULT_1) {", "TEST_P(A,\n       FAULT_1_IsFault) {"):
            self.assertEqual(self.findings(test), [], test)

    def test_nothing_else_does(self):
        for test in ("// FAULT-1\nTEST(A, B) {", "TEST(A, B) { FAULT_1(); }", "TEST(A, FAULT_12) {", "TEST(A, DEFAULT_1) {"):
            self.assertEqual(self.findings(test), ["no test case is named FAULT_1"], test)

    def test_a_row_stands_once(self):
        self.assertEqual(self.findings("TEST(A, FAULT_1) {", self.TABLE * 2), ["FAULT-1 stands here twice"])


class Tokens(unittest.TestCase):
    def test_literals_comments_and_preprocessor_lines_are_no_code(self):
        text = "#define A \\\n  {\nf(\"a\\\"{\", '{', 0x1'0, R\"x({)\")x\"); /* { */ // {\n"
        self.assertEqual([t.text for t in tree.tokens(text)], ["f", "(", '"', ",", '"', ",", "0x1'0", ",", '"', ")", ";"])
        self.assertEqual(tree.tokens(text)[0].line, 3)


if __name__ == "__main__":
    unittest.main()

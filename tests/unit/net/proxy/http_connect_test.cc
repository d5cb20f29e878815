// CONNECT requests as text, and the heads that proxies answer with.
#include "daemon/net/proxy/http_connect.h"

#include <string>

#include "tests/unit/net/proxy/target.h"

namespace wasi_netd::net {
namespace {

using namespace std::string_literals;

const std::string kOk = "HTTP/1.1 200 Connection established\r\n\r\n";

// What a whole answer comes to: "tunnel after N", "more", or the errno and the detail.
std::string meaning(const Result<std::optional<size_t>>& head) {
  if (!head) return outcome_of(head);
  return *head ? "tunnel after " + std::to_string(**head) : "more";
}
std::string meaning(const std::string& answer, bool authenticated = false) {
  return meaning(ConnectReply(authenticated).look(answer));
}
std::string status(const std::string& code) { return meaning("HTTP/1.1 " + code + " Whatever\r\n"); }

TEST(HttpConnect, WritesTheRequest) {
  const struct {
    std::string to;
    std::string authority;
  } kCases[] = {
      {"192.0.2.1:80", "192.0.2.1:80"},
      {"[2001:db8:0::1]:443", "[2001:db8::1]:443"},
      {"[::ffff:192.0.2.1]:80", "192.0.2.1:80"},
      {"WWW.Example.COM.:65535", "www.example.com:65535"},
  };
  for (const auto& row : kCases) {
    EXPECT_EQ(connect_request(target(row.to), "", "ignored")->view(),
              "CONNECT " + row.authority + " HTTP/1.1\r\nHost: " + row.authority + "\r\n\r\n");
  }
}

TEST(HttpConnect, WritesBasicCredentials) {
  const struct {
    std::string user, password, basic;
  } kCases[] = {
      {"Aladdin", "open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},  // RFC 7617 section 2
      {"test", "123\xc2\xa3", "dGVzdDoxMjPCow=="},                 // section 2.1
      {"u", "", "dTo="},
      {"u", "a:b", "dTphOmI="},
      {std::string(255, 'u'), std::string(4096, 'p'), ""},
  };
  for (const auto& row : kCases) {
    auto request = connect_request(target("a.example:1"), row.user, row.password);
    ASSERT_TRUE(request);
    const std::string head = "CONNECT a.example:1 HTTP/1.1\r\nHost: a.example:1\r\nProxy-Authorization: Basic ";
    EXPECT_EQ(request->view().substr(0, head.size()), head);
    EXPECT_EQ(request->view().substr(request->view().size() - 4), "\r\n\r\n");
    if (!row.basic.empty()) {
      EXPECT_EQ(request->view(), head + row.basic + "\r\n\r\n");
    }
    EXPECT_EQ(request->view().substr(head.size()).find_first_of("\r\n"), request->view().size() - head.size() - 4);
  }
}

TEST(HttpConnect, AsksNoProxyForWhatIsNoTarget) {
  for (const auto& row : kBadTargets) {
    auto request = connect_request(row.endpoint, "", "");
    ASSERT_TRUE(request.has_error()) << row.what;
    EXPECT_EQ(request.error().code, Errno::inval) << row.what;
  }
}

TEST(HttpConnect, RefusesAUserThatBasicCannotCarry) {
  for (const auto& user : {"a:b"s, ":"s, "a\nb"s, "a\r\nX: y"s, "a\0b"s, "\x7f"s}) {
    EXPECT_EQ(outcome_of(connect_request(target("a.example:1"), user, "secret")),
              "io: HTTP Basic takes a user without colons and control characters");
  }
}

TEST(ConnectReply, IsATunnelAfterAny2xx) {
  const std::string kHeads[] = {
      kOk,
      "HTTP/1.0 200 Connection established\r\n\r\n",
      "HTTP/1.1 200\r\n\r\n",
      "HTTP/1.1 200 \r\n\r\n",
      "HTTP/1.1 204 No Content\r\n\r\n",
      "HTTP/1.1 299 Strange\r\n\r\n",
      "HTTP/1.9 200 OK\r\n\r\n",
      "HTTP/1.1 200 OK\n\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
      "HTTP/1.1 200 OK\r\nVia:\r\nX-Tab:\ta\tb\r\nX-High: \xff\xfe\r\n\r\n",
      "HTTP/1.1 200 \xff\t\r\n\r\n",
      "HTTP/1.1 100 Continue\r\n\r\n" + kOk,
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\n\n" + kOk,
  };
  for (const auto& head : kHeads) {
    const std::string outcome = "tunnel after " + std::to_string(head.size());
    EXPECT_EQ(meaning(head), outcome);
    EXPECT_EQ(meaning(head + "HTTP/1.1 502 of the target\r\n\r\n"), outcome);
    ConnectReply reply(false);
    for (size_t size = 0; size < head.size(); ++size) {
      EXPECT_EQ(meaning(reply.look(head.substr(0, size))), "more") << head.substr(0, size);
    }
    EXPECT_EQ(meaning(reply.look(head)), outcome);
  }
}

TEST(ConnectReply, TellsWhatEachStatusMeans) {
  const std::string kCannot = "cannot reach the destination";
  const struct {
    std::string code, outcome;
  } kCases[] = {
      {"000", "proto: answers with a status that CONNECT does not have (HTTP status 0)"},
      {"099", "proto: answers with a status that CONNECT does not have (HTTP status 99)"},
      {"101", "proto: answers with a status that CONNECT does not have (HTTP status 101)"},
      {"302", "proto: answers with a status that CONNECT does not have (HTTP status 302)"},
      {"400", "proto: does not understand the request (HTTP status 400)"},
      {"401", "acces: refuses the destination (HTTP status 401)"},
      {"403", "acces: refuses the destination (HTTP status 403)"},
      {"404", "hostunreach: " + kCannot + " (HTTP status 404)"},
      {"405", "notsup: does not do CONNECT (HTTP status 405)"},
      {"407", "acces: asks for authentication (HTTP status 407)"},
      {"408", "timedout: " + kCannot + ": time-out (HTTP status 408)"},
      {"410", "hostunreach: " + kCannot + " (HTTP status 410)"},
      {"429", "acces: refuses the destination (HTTP status 429)"},
      {"500", "hostunreach: " + kCannot + " (HTTP status 500)"},
      {"501", "notsup: does not do CONNECT (HTTP status 501)"},
      {"502", "hostunreach: " + kCannot + " (HTTP status 502)"},
      {"503", "hostunreach: " + kCannot + " (HTTP status 503)"},
      {"504", "timedout: " + kCannot + ": time-out (HTTP status 504)"},
      {"505", "notsup: does not do CONNECT (HTTP status 505)"},
      {"599", "hostunreach: " + kCannot + " (HTTP status 599)"},
      {"600", "proto: answers with a status that CONNECT does not have (HTTP status 600)"},
      {"999", "proto: answers with a status that CONNECT does not have (HTTP status 999)"},
  };
  for (const auto& row : kCases) EXPECT_EQ(status(row.code), row.outcome);
  EXPECT_EQ(meaning("HTTP/1.1 407 No\r\n", true), "acces: refuses the user and password (HTTP status 407)");
  EXPECT_EQ(meaning("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\n"),
            "acces: refuses the destination (HTTP status 403)");
}

TEST(ConnectReply, RefusesWhatIsNotHttp1AtTheFirstByteThatShowsIt) {
  for (const auto& bytes : {"\5\0"s, "\x15\x03\x01"s, "S"s, "SSH-2.0-server"s, "http/1.1 200 OK\r\n\r\n"s, "HTTP/2"s,
                            "HTTP/2.0 200 OK\r\n\r\n"s, "HTTP/0.9 200"s, "ICY 200 OK\r\n"s, "\r\n"s, "\n"s, " "s, "\0"s,
                            "HTTP/1.1 100 Continue\r\n\r\nX"s}) {
    EXPECT_EQ(meaning(bytes), "proto: HTTP: not an answer of HTTP/1") << bytes;
  }
}

TEST(ConnectReply, RefusesStatusLinesWithoutAStatus) {
  for (const auto& line : {"HTTP/1."s, "HTTP/1.1"s, "HTTP/1.1 "s, "HTTP/1.1 20"s, "HTTP/1.1 2000"s, "HTTP/1.1 20x OK"s,
                           "HTTP/1.1  200 OK"s, "HTTP/1.1\t200 OK"s, "HTTP/1.12 200 OK"s, "HTTP/1.x 200 OK"s,
                           "HTTP/1.1 -20 OK"s, "HTTP/1.1 200OK"s}) {
    EXPECT_EQ(meaning(line + "\r\n"), "proto: HTTP: a status line without a status") << line;
  }
}

TEST(ConnectReply, RefusesLinesThatAreNoFields) {
  for (const auto& line : {"no colon"s, ": no name"s, " folded: x"s, "\tfolded"s, "a space: x"s, "space : x"s,
                           "HTTP/1.1 200 OK"s, "\xff: x"s, "a\"b: x"s}) {
    EXPECT_EQ(meaning("HTTP/1.1 200 OK\r\n" + line + "\r\n"), "proto: HTTP: a line in the head is no field") << line;
  }
}

TEST(ConnectReply, RefusesControlCharacters) {
  for (const auto& line : {"HTTP/1.1 200 O\0K"s, "HTTP/1.1 200 \x1b[2J"s, "HTTP/1.1 200 OK\rX: y"s,
                           "HTTP/1.1 200 OK\r\nX: \x7f"s, "HTTP/1.1 200 OK\r\nX: a\r\r"s, "HTTP/1.1 200 OK\r\n\0"s}) {
    EXPECT_EQ(meaning(line + "\r\n"), "proto: HTTP: a control character in the head") << line;
  }
}

TEST(ConnectReply, IsBoundedInBytes) {
  const std::string too_long = "msgsize: HTTP: the head is over 16 KiB";
  const std::string first = "HTTP/1.1 200 OK\r\nX: ";
  const std::string last = "\r\n\r\n";
  const size_t room = ConnectReply::kMaxHead - first.size() - last.size();
  EXPECT_EQ(meaning(first + std::string(room, 'x') + last), "tunnel after 16384");
  EXPECT_EQ(meaning(first + std::string(room, 'x') + last + std::string(100'000, 'y')), "tunnel after 16384");
  EXPECT_EQ(meaning(first + std::string(room + 1, 'x') + last), too_long);
  EXPECT_EQ(meaning(first + std::string(100'000, 'x')), too_long);
  EXPECT_EQ(meaning(first + std::string(ConnectReply::kMaxHead - first.size(), 'x')), too_long);
  EXPECT_EQ(meaning(first + std::string(ConnectReply::kMaxHead - first.size() - 1, 'x')), "more");
  std::string ends_with_a_line = first + std::string(ConnectReply::kMaxHead - first.size() - 1, 'x') + "\n";
  EXPECT_EQ(meaning(ends_with_a_line), too_long);
}

TEST(ConnectReply, IsBoundedInLinesOverAllHeads) {
  const std::string too_many = "msgsize: HTTP: the head is over 128 lines";
  std::string fields = "HTTP/1.1 200 OK\r\n";
  for (size_t line = 0; line < ConnectReply::kMaxLines - 2; ++line) fields += "A:\r\n";
  EXPECT_EQ(meaning(fields + "\r\n"), "tunnel after " + std::to_string(fields.size() + 2));
  EXPECT_EQ(meaning(fields + "A:\r\n\r\n"), too_many);
  std::string heads;
  for (size_t head = 0; head < ConnectReply::kMaxLines / 2 - 1; ++head) heads += "HTTP/1.1 100\n\n";
  EXPECT_EQ(meaning(heads + kOk), "tunnel after " + std::to_string(heads.size() + kOk.size()));
  EXPECT_EQ(meaning(heads + "HTTP/1.1 100\n"), "more");
  EXPECT_EQ(meaning(heads + "HTTP/1.1 100\n\n"), too_many);
}

// Whichever of two faults comes first in the bytes is told, however they arrived.
TEST(ConnectReply, MeansTheSameInPiecesOfAnySize) {
  std::string lines;
  for (size_t head = 0; head < ConnectReply::kMaxLines / 2; ++head) lines += "HTTP/1.1 100\n\n";
  const std::string first = "HTTP/1.1 100 Continue\r\nX: ";
  const std::string filled = first + std::string(ConnectReply::kMaxHead - first.size() - 5, 'x') + "\n\n";
  const std::string kAnswers[] = {lines + "no HTTP\n", filled + "HTx\n", filled + "HTTP/2 200\n",
                                  filled + "HTTP/1.1 200\n", "no HTTP" + std::string(ConnectReply::kMaxHead, 'x')};
  for (const auto& answer : kAnswers) {
    ConnectReply reply(false);
    std::string outcome = "more";
    for (size_t size = 0; size <= answer.size() && outcome == "more"; ++size) {
      outcome = meaning(reply.look(answer.substr(0, size)));
    }
    EXPECT_EQ(meaning(answer), outcome) << answer.substr(answer.size() - 20);
  }
}

}  // namespace
}  // namespace wasi_netd::net

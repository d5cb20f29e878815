// decide() on unix: paths, directories, abstract names, peers, and what the daemon keeps for itself.
#include "tests/unit/policy/loaded.h"

namespace wasi_netd::policy {
namespace {

using testing::expect_rows;
using testing::Loaded;
using testing::Row;

constexpr std::string_view kChat = R"(protocols:
  chat:
    transport: unix
    connect:
      allow: ["/run/app/", "/srv/one.sock", "@app", "@chat-*", "/run/"]
      deny: ["/run/app/secret/", "/run/app/admin.sock", "@chat-admin", "@chat-root*"]
    open:
      allow: ["/run/app/guest.sock", "@guest*"]
    accept:
      allow: ["/run/app/", "@guest*"]
      deny: ["@guest-bad"]
  public:
    transport: unix
    open: {allow: ["@public"]}
    accept: {allow: ["*"], deny: ["@nobody*"]}
  everything:
    transport: unix
    connect: {allow: ["/", "@*"]}
    open: {allow: ["/", "@*"]}
    accept: {allow: ["/", "@*"]}
)";

TEST(DecideUnix, Connect) {
  const Row kRows[] = {
      {"/run/app/chat.sock", "", "allow /run/app/"},
      {"/run/app/deep/er/chat.sock", "", "allow /run/app/"},
      {"/run/app", "", "allow /run/"},
      {"/run/application", "", "allow /run/"},
      {"/runx", "", "deny connect"},
      {"/srv/one.sock", "", "allow /srv/one.sock"},
      {"/srv/one.sock2", "", "deny connect"},
      {"/srv/one.sock/x", "", "deny connect"},
      {"/srv", "", "deny connect"},
      {"/run/app/secret/a", "", "deny /run/app/secret/"},
      {"/run/app/secret", "", "allow /run/app/"},
      {"/run/app/secretary", "", "allow /run/app/"},
      {"/run/app/admin.sock", "", "deny /run/app/admin.sock"},
      {"@app", "", "allow @app"},
      {"@app2", "", "deny connect"},
      {"@App", "", "deny connect"},
      {"@chat-", "", "allow @chat-*"},
      {"@chat-room", "", "allow @chat-*"},
      {"@chat", "", "deny connect"},
      {"@chat-admin", "", "deny @chat-admin"},
      {"@chat-admin2", "", "allow @chat-*"},
      {"@chat-root", "", "deny @chat-root*"},
      {"@chat-root-2", "", "deny @chat-root*"},
      {"@/run/app/x", "", "deny connect"},
      {"", "", "deny connect"},
  };
  expect_rows(Loaded(kChat), "chat", Operation::kConnect, kRows);
}

TEST(DecideUnix, OpenAndListen) {
  const Row kRows[] = {
      {"/run/app/guest.sock", "", "allow /run/app/guest.sock"},
      {"/run/app/other.sock", "", "deny open"},
      {"@guest", "", "allow @guest*"},
      {"@guest-1", "", "allow @guest*"},
      {"@gues", "", "deny open"},
      {"", "", "allow chat"},
      {"[::]:0", "", "allow chat"},
  };
  expect_rows(Loaded(kChat), "chat", Operation::kOpen, kRows);
  expect_rows(Loaded(kChat), "chat", Operation::kListen, kRows);
}

TEST(DecideUnix, AcceptGoesByThePeersBoundName) {
  const Row kRows[] = {
      {"/run/app/peer.sock", "", "allow /run/app/"},
      {"/run/peer.sock", "", "deny accept"},
      {"@guest-1", "", "allow @guest*"},
      {"@guest-bad", "", "deny @guest-bad"},
      {"", "", "deny accept"},
  };
  expect_rows(Loaded(kChat), "chat", Operation::kAccept, kRows);
  const Row kPublic[] = {
      {"", "", "allow *"},
      {"@someone", "", "allow *"},
      {"/tmp/someone", "", "allow *"},
      {"@nobody", "", "deny @nobody*"},
  };
  expect_rows(Loaded(kChat), "public", Operation::kAccept, kPublic);
}

// The kernel tells a peer's path as it was bound, in any spelling.
TEST(DecideUnix, APathThatIsNotNormalMatchesNoRuleAndPassesNone) {
  const Loaded policy(kChat);
  for (const char* path : {"/run/app/../evil", "/run/app/./x", "/run/app//x", "/run/app/x/", "//run/app/x", "/run/app/",
                           "relative", "/run/app/..", "/run/app/a\nb"}) {
    for (const Operation operation : {Operation::kConnect, Operation::kOpen, Operation::kListen, Operation::kAccept}) {
      const Request request{"", "everything", operation, UnixEndpoint{path, false}, {}};
      EXPECT_EQ(policy->decide(request).verdict, Verdict::kDeny) << to_string(operation) << " " << path;
    }
    const Request of_any_peer{"", "public", Operation::kAccept, UnixEndpoint{path, false}, {}};
    EXPECT_EQ(policy->decide(of_any_peer).verdict, Verdict::kDeny) << path;
  }
}

TEST(DecideUnix, TheDaemonsOwnPathsAreDeniedWhateverTheRulesSay) {
  const Row kConnect[] = {
      {"/run/wasi-netd", "", "deny connect"},
      {"/run/wasi-netd/tenants/other.sock", "", "deny connect"},
      {"/etc/wasi-netd/policy", "", "deny connect"},
      {"/run/wasi-netd2/x", "", "allow /"},
      {"/run/wasi-net", "", "allow /"},
      {"@/run/wasi-netd/x", "", "allow @*"},
      {"@anything", "", "allow @*"},
  };
  expect_rows(Loaded(kChat), "everything", Operation::kConnect, kConnect);
  EXPECT_EQ(Loaded(kChat).ask({"", "everything", Operation::kOpen, "/run/wasi-netd/x", ""}), "deny open");
  EXPECT_EQ(Loaded(kChat).ask({"", "everything", Operation::kListen, "/etc/wasi-netd/x", ""}), "deny open");
  EXPECT_EQ(Loaded(kChat).ask({"", "everything", Operation::kAccept, "/run/wasi-netd/x", ""}), "deny accept");
  EXPECT_EQ(Loaded(kChat).ask({"", "everything", Operation::kAccept, "", ""}), "deny accept");
}

TEST(DecideUnix, ThereAreNoNamesToResolve) {
  const Loaded policy(kChat);
  const Request request{"", "everything", Operation::kResolve, NameEndpoint{"a.example", 0}, {}};
  EXPECT_EQ(policy.shown(policy->decide(request)), "deny everything");
}

TEST(DecideUnix, AnotherTransportsAddressIsDenied) {
  const Loaded policy(kChat);
  for (const Operation operation : {Operation::kConnect, Operation::kOpen, Operation::kListen, Operation::kAccept}) {
    const Request address{"", "everything", operation, IpEndpoint{IpAddress::v4({127, 0, 0, 1}), 80}, {}};
    EXPECT_EQ(policy.shown(policy->decide(address)), "deny everything");
    const Request name{"", "everything", operation, NameEndpoint{"a.example", 80}, {}};
    EXPECT_EQ(policy.shown(policy->decide(name)), "deny everything");
  }
}

}  // namespace
}  // namespace wasi_netd::policy

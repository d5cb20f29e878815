#include "daemon/net/proxy/tunnel.h"

#include <array>
#include <string>
#include <utility>

#include <boost/asio/this_coro.hpp>

#include "daemon/base/event.h"
#include "daemon/net/proxy/http_connect.h"
#include "daemon/net/proxy/password.h"
#include "daemon/net/proxy/socks5.h"
#include "daemon/net/proxy/tunnel_connection.h"

namespace wasi_netd::net {
namespace {

// Shared with the timer's handler, which may be on its way already when the handshake is over.
struct Deadline {
  std::shared_ptr<Connection> to_proxy;  // none: the handshake is over
  bool passed = false;

  void expire() {
    if (!to_proxy) return;
    passed = true;
    to_proxy->abort();  // completes what is pending
  }
};

Error closed_by_proxy() { return Error{Errno::connaborted, "closed the connection during the handshake"}; }

// `bytes` stay with the caller. A proxy may refuse and close before it has read all of them, and then its answer says
// more than the broken write does: what became of the connection is told by the read that follows.
Task<Status> send_all(std::shared_ptr<Stream> stream, std::string_view bytes) {
  while (!bytes.empty()) {
    const asio::const_buffer rest(bytes.data(), bytes.size());
    auto sent = co_await stream->write_some(rest);
    if (!sent && sent.error().code == Errno::pipe) break;
    if (!sent) co_return sent.error();
    bytes.remove_prefix(*sent);
  }
  co_return Status();
}

Task<Status> receive_exactly(std::shared_ptr<Stream> stream, asio::mutable_buffer buffer) {
  while (buffer.size() > 0) {
    auto n = co_await stream->read_some(buffer);
    if (!n) co_return n.error();
    if (*n == 0) co_return closed_by_proxy();
    buffer += *n;
  }
  co_return Status();
}

// The handshakes; the result is what the target sent already. The dialogue and the request stay with the caller.
Task<Result<std::string>> run_socks5(std::shared_ptr<Stream> stream, Socks5& dialogue) {
  std::array<char, Socks5::kMaxRead> bytes;
  while (size_t size = dialogue.to_read()) {
    auto sent = co_await send_all(stream, dialogue.to_send());
    if (!sent) co_return sent.error();
    const asio::mutable_buffer wanted(bytes.data(), size);
    auto received = co_await receive_exactly(stream, wanted);
    if (!received) co_return received.error();
    const std::string_view reply(bytes.data(), size);
    if (auto taken = dialogue.take(reply); !taken) co_return taken.error();
  }
  co_return std::string();
}

Task<Result<std::string>> run_connect(std::shared_ptr<Stream> stream, std::string_view request, ConnectReply reply) {
  auto sent = co_await send_all(stream, request);
  if (!sent) co_return sent.error();
  auto bytes = std::make_unique<char[]>(ConnectReply::kMaxHead);
  size_t have = 0;
  for (;;) {
    // Never full here: a whole buffer without a complete head is an error of look().
    const asio::mutable_buffer room(bytes.get() + have, ConnectReply::kMaxHead - have);
    auto n = co_await stream->read_some(room);
    if (!n) co_return n.error();
    if (*n == 0) co_return closed_by_proxy();
    have += *n;
    const std::string_view all(bytes.get(), have);
    auto head = reply.look(all);
    if (!head) co_return head.error();
    if (*head) co_return std::string(all.substr(**head));
  }
}

Task<Result<std::shared_ptr<Connection>>> handshake(const policy::Proxy& settings, std::shared_ptr<Connection> to_proxy,
                                                    const Endpoint& target) {
  auto stream = to_proxy->take_stream();
  if (!stream) co_return stream.error();
  Secret password;
  if (!settings.user.empty() && !settings.password_file.empty()) {
    auto read = read_password(settings.password_file);
    if (!read) co_return read.error();
    password = std::move(*read);
  }
  Result<std::string> early = std::string();
  if (settings.kind == policy::Proxy::Kind::kSocks5) {
    auto dialogue = Socks5::begin(target, settings.user, password.view());
    if (!dialogue) co_return dialogue.error();
    early = co_await run_socks5(*stream, *dialogue);
  } else {
    auto request = connect_request(target, settings.user, password.view());
    if (!request) co_return request.error();
    const ConnectReply reply(!settings.user.empty());
    early = co_await run_connect(*stream, request->view(), reply);
  }
  if (!early) co_return early.error();
  co_return std::make_shared<TunnelConnection>(std::move(to_proxy), std::move(*stream), target, std::move(*early));
}

Error named(const Error& error, const policy::Proxy& settings) {
  const std::string what = error.detail.empty() ? std::string(to_string(error.code)) : error.detail;
  return Error{error.code, "proxy " + policy::to_string(settings.address) + ": " + what};
}

}  // namespace

Task<Result<std::shared_ptr<Connection>>> open_tunnel(policy::Proxy settings, std::shared_ptr<Connection> to_proxy,
                                                      Endpoint target) {
  Timer limit(co_await asio::this_coro::executor);
  auto deadline = std::make_shared<Deadline>();
  deadline->to_proxy = to_proxy;
  limit.expires_after(settings.timeout);
  limit.async_wait([deadline](const boost::system::error_code& ec) {
    if (!ec) deadline->expire();
  });
  auto tunnel = co_await handshake(settings, to_proxy, target);
  deadline->to_proxy.reset();
  limit.cancel();
  if (deadline->passed) {
    tunnel = Error{Errno::timedout, "no tunnel within " + std::to_string(settings.timeout.count()) + " ms"};
  }
  if (!tunnel) {
    to_proxy->abort();
    co_return named(tunnel.error(), settings);
  }
  co_return tunnel;
}

}  // namespace wasi_netd::net

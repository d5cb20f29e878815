// bind_stream: a socket with an address, on its way to a listener or a connection.
#include <cerrno>
#include <utility>

#include <sys/socket.h>

#include "daemon/net/bind_address.h"
#include "daemon/net/connector.h"
#include "daemon/net/listener.h"

namespace wasi_netd::net {
namespace {

class BoundSocket final : public Bound {
 public:
  BoundSocket(Loop loop, UniqueFd fd, Endpoint local, BoundPath path)
      : loop_(loop), fd_(std::move(fd)), local_(std::move(local)), path_(std::move(path)) {}
  ~BoundSocket() override { close(); }

  Endpoint local_endpoint() const override { return local_; }

  Result<std::shared_ptr<Listener>> listen(int backlog) override {
    if (!fd_.valid()) return used_up();
    if (::listen(fd_.get(), backlog_of(backlog)) != 0)
      return system_error(errno, "listen " + policy::to_string(local_));
    auto socket = attach(loop_, fd_);
    if (!socket) return socket.error();
    return std::shared_ptr<Listener>(std::make_shared<StreamListener>(std::move(*socket), local_, std::move(path_)));
  }

  Task<Result<std::shared_ptr<Connection>>> connect(Endpoint target) override {
    std::shared_ptr<Connector> connector;
    if (fd_.valid() && target.index() == local_.index()) {
      connector = std::make_shared<Connector>(loop_, std::move(target), std::move(fd_), local_, std::move(path_));
      connector_ = connector;
    }
    return connect_task(connector, fd_.valid() ? Error{Errno::afnosupport, "another kind of address"} : used_up());
  }

  void close() override {
    closed_ = true;
    if (connector_) connector_->close();
    path_.remove();
    fd_.reset();
  }

 private:
  Error used_up() const { return closed_ ? canceled() : Error{Errno::inval, "this bound socket was used"}; }

  static Task<Result<std::shared_ptr<Connection>>> connect_task(std::shared_ptr<Connector> connector, Error otherwise) {
    if (!connector) co_return otherwise;
    auto connected = co_await connector->run();
    if (!connected) co_return connected.error();
    co_return std::shared_ptr<Connection>(std::move(*connected));
  }

  const Loop loop_;
  UniqueFd fd_;
  const Endpoint local_;
  BoundPath path_;
  std::shared_ptr<Connector> connector_;
  bool closed_ = false;
};

// A listener that was restarted gets its port although connections of the old one are still in TIME_WAIT.
Status reuse_address(int fd) {
  int on = 1;
  if (::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return system_error(errno, "SO_REUSEADDR");
  return Status();
}

}  // namespace

Result<std::shared_ptr<Bound>> bind_stream(Loop loop, const Endpoint& endpoint) {
  auto fd = open_socket(endpoint);
  if (!fd) return fd.error();
  if (std::holds_alternative<policy::IpEndpoint>(endpoint)) {
    if (auto set = reuse_address(fd->get()); !set) return set.error();
  }
  auto own = bind_address(fd->get(), endpoint, BoundPath::bind);
  if (!own) return own.error();
  return std::shared_ptr<Bound>(
      std::make_shared<BoundSocket>(loop, std::move(*fd), std::move(own->endpoint), std::move(own->path)));
}

}  // namespace wasi_netd::net

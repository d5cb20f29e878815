#pragma once
// The guest's calls, one function each, under the names of the rpcs (broker.proto says what each means, which rights it
// needs and what completes it). The rpc layer only translates messages.
//
// Run on the tenant's loop. What can wait is a Task and takes the Call that cancels it; it holds its own share of the
// session.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/broker/call.h"
#include "daemon/broker/session.h"
#include "daemon/broker/stream.h"
#include "daemon/net/datagram.h"
#include "daemon/net/net.h"

namespace wasi_netd::broker::calls {

using SessionPtr = std::shared_ptr<Session>;

inline constexpr uint32_t kSocketDatagram = 5, kSocketStream = 6;  // WASI filetypes

Result<NewHandle> open(Session&, const Token& protocol, const std::string& address, uint32_t type,
                       const Rights& wanted);
Status listen(Session&, const Token& control, uint32_t backlog);
Task<Result<NewHandle>> accept(SessionPtr, Token control, bool nonblock, Call&);
Task<Result<NewHandle>> connect(SessionPtr, Token control, std::string address, bool nonblock, Call&);
Task<Result<NewHandle>> stream_create(SessionPtr, Token connection, Rights wanted, bool nonblock, Call&);
Task<Result<NewHandle>> stream_accept(SessionPtr, Token connection, bool nonblock, Call&);

Result<NewHandle> restrict_handle(Session&, const Token& handle, const Rights& wanted);
Result<Rights> set_rights(Session&, const Token& handle, const Rights& wanted);
Status shutdown(Session&, const Token& handle, bool read, bool write);
Status close(Session&, const Token& handle);
struct Polled {
  uint32_t readiness = 0;
  uint32_t next_size = 0;
};
Result<Polled> poll(Session&, const Token& handle, uint32_t interest);

Result<policy::Endpoint> local_address(Session&, const Token& handle);
Result<policy::Endpoint> peer_address(Session&, const Token& handle);
struct ConnectionFacts {
  policy::Transport transport;
  net::ConnectionInfo negotiated;  // empty until the connection stands
};
Result<ConnectionFacts> connection_info(Session&, const Token& handle);
Task<Result<std::vector<policy::IpAddress>>> resolve(SessionPtr, Token protocol, std::string name, Call&);
Status set_option(Session&, const Token& handle, net::Option, uint32_t value);
Result<uint32_t> get_option(Session&, const Token& handle, net::Option);

// `data` is the caller's until this completes. By name it waits for the look-up, `nonblock` or not.
Task<Status> send_to(SessionPtr, Token control, std::string address, std::string_view data, bool nonblock, Call&);
Task<Result<net::Datagram>> recv_from(SessionPtr, Token control, size_t max, bool nonblock, Call&);

Task<Result<Stream::Got>> read(SessionPtr, Token stream, boost::asio::mutable_buffer, bool nonblock, Call&);
Task<Result<size_t>> write(SessionPtr, Token stream, boost::asio::const_buffer, bool nonblock, Call&);

}  // namespace wasi_netd::broker::calls

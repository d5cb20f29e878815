#pragma once
// The guest's calls, one function each, under the names of the rpcs (broker.proto says what each means, which rights it
// needs and what completes it). The rpc layer only translates messages.
//
// Run on the tenant's loop. What can wait is a Task and takes the Call that cancels it; it holds its own share of the
// session.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/broker/call.h"
#include "daemon/broker/session.h"
#include "daemon/net/net.h"

namespace wasi_netd::broker::calls {

using SessionPtr = std::shared_ptr<Session>;

inline constexpr uint32_t kSocketStream = 6;  // WASI filetype

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
Result<uint32_t> poll(Session&, const Token& handle, uint32_t interest);

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

Task<Result<size_t>> read(SessionPtr, Token stream, boost::asio::mutable_buffer, bool nonblock, Call&);
Task<Result<size_t>> write(SessionPtr, Token stream, boost::asio::const_buffer, bool nonblock, Call&);

}  // namespace wasi_netd::broker::calls

#include "daemon/net/datagram/batch.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <boost/asio/query.hpp>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

namespace wasi_netd::net {
namespace {

constexpr size_t kErrorBatch = 64;

// IP_PKTINFO and IPV6_PKTINFO: which of this host's addresses a datagram is for.
bool read_local(const msghdr& message, SocketAddress& out) {
  auto* header = const_cast<msghdr*>(&message);
  for (const cmsghdr* one = CMSG_FIRSTHDR(header); one; one = CMSG_NXTHDR(header, const_cast<cmsghdr*>(one))) {
    if (one->cmsg_level == IPPROTO_IP && one->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(one), sizeof info);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr = info.ipi_spec_dst;
      std::memcpy(&out.storage, &address, sizeof address);
      out.size = sizeof address;
      return true;
    }
    if (one->cmsg_level == IPPROTO_IPV6 && one->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(one), sizeof info);
      sockaddr_in6 address{};
      address.sin6_family = AF_INET6;
      address.sin6_addr = info.ipi6_addr;
      if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) address.sin6_scope_id = info.ipi6_ifindex;
      std::memcpy(&out.storage, &address, sizeof address);
      out.size = sizeof address;
      return true;
    }
  }
  return false;
}

union Control {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(in6_pktinfo))];
};

template <class Info>
void put(msghdr& message, Control& control, int level, int type, const Info& info) {
  std::memset(&control, 0, sizeof control);
  message.msg_control = control.bytes;
  message.msg_controllen = CMSG_SPACE(sizeof info);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof info);
  std::memcpy(CMSG_DATA(header), &info, sizeof info);
}

void put_local(msghdr& message, Control& control, const SocketAddress& from) {
  if (from.storage.ss_family == AF_INET) {
    sockaddr_in address;
    std::memcpy(&address, &from.storage, sizeof address);
    in_pktinfo info{};
    info.ipi_spec_dst = address.sin_addr;
    put(message, control, IPPROTO_IP, IP_PKTINFO, info);
  } else {
    sockaddr_in6 address;
    std::memcpy(&address, &from.storage, sizeof address);
    in6_pktinfo info{};
    info.ipi6_addr = address.sin6_addr;
    info.ipi6_ifindex = address.sin6_scope_id;
    put(message, control, IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
}

bool is_told(const sock_extended_err& error) {
  if (error.ee_origin == SO_EE_ORIGIN_ICMP) {
    if (error.ee_type != ICMP_DEST_UNREACH) return error.ee_type == ICMP_PARAMETERPROB;
    switch (error.ee_code) {
      case ICMP_NET_UNREACH:
      case ICMP_HOST_UNREACH:
      case ICMP_SR_FAILED:
      case ICMP_NET_UNR_TOS:
      case ICMP_HOST_UNR_TOS:
        return false;
      default:
        return true;
    }
  }
  if (error.ee_origin == SO_EE_ORIGIN_ICMP6) {
    if (error.ee_type != ICMP6_DST_UNREACH) return error.ee_type == ICMP6_PARAM_PROB;
    return error.ee_code != ICMP6_DST_UNREACH_NOROUTE && error.ee_code != ICMP6_DST_UNREACH_BEYONDSCOPE &&
           error.ee_code != ICMP6_DST_UNREACH_ADDR;
  }
  return false;  // of this host: the call that met it has answered it
}

bool read_error(msghdr& message, sock_extended_err& out) {
  for (cmsghdr* one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one)) {
    const bool is_error = (one->cmsg_level == IPPROTO_IP && one->cmsg_type == IP_RECVERR) ||
                          (one->cmsg_level == IPPROTO_IPV6 && one->cmsg_type == IPV6_RECVERR);
    if (!is_error || one->cmsg_len < CMSG_LEN(sizeof out)) continue;
    std::memcpy(&out, CMSG_DATA(one), sizeof out);
    return true;
  }
  return false;
}

}  // namespace

ReceiveBuffers::ReceiveBuffers(asio::execution_context& loop)
    : asio::execution_context::service(loop), slots_(std::make_unique_for_overwrite<Slot[]>(kReceiveBatch)) {}

ReceiveBuffers& ReceiveBuffers::of(const Loop& loop) {
  return asio::use_service<ReceiveBuffers>(asio::query(loop, asio::execution::context));
}

ReceiveBuffers::Outcome ReceiveBuffers::receive(int fd) {
  for (size_t i = 0; i < kReceiveBatch; ++i) {
    Slot& slot = slots_[i];
    vectors_[i] = {slot.data.data(), slot.data.size()};
    msghdr& message = messages_[i].msg_hdr;
    message = {};
    slot.from.storage.ss_family = AF_UNSPEC;  // the kernel writes nothing for a sender without a name
    message.msg_name = slot.from.get();
    message.msg_namelen = sizeof slot.from.storage;
    message.msg_iov = &vectors_[i];
    message.msg_iovlen = 1;
    message.msg_control = slot.control.data();
    message.msg_controllen = slot.control.size();
  }
  const int count = ::recvmmsg(fd, messages_.data(), kReceiveBatch, MSG_DONTWAIT, nullptr);
  if (count < 0) return {0, errno};
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    const msghdr& message = messages_[i].msg_hdr;
    slots_[i].from.size = message.msg_namelen;
    slots_[i].has_local = read_local(message, slots_[i].local);
  }
  return {static_cast<size_t>(count), 0};
}

Arrival ReceiveBuffers::at(size_t index) const {
  const Slot& slot = slots_[index];
  const mmsghdr& message = messages_[index];
  return {std::string_view(slot.data.data(), message.msg_len), slot.from, slot.has_local ? &slot.local : nullptr,
          (message.msg_hdr.msg_flags & MSG_TRUNC) != 0};
}

SendOutcome send_batch(int fd, std::span<const Outgoing> datagrams) {
  std::array<mmsghdr, kSendBatch> messages;
  std::array<iovec, kSendBatch> vectors;
  std::array<Control, kSendBatch> controls;
  const size_t count = std::min(datagrams.size(), kSendBatch);
  for (size_t i = 0; i < count; ++i) {
    const Outgoing& one = datagrams[i];
    vectors[i] = {const_cast<char*>(one.data.data()), one.data.size()};
    messages[i] = {};
    msghdr& message = messages[i].msg_hdr;
    if (one.to) {
      message.msg_name = const_cast<sockaddr*>(one.to->get());
      message.msg_namelen = one.to->size;
    }
    message.msg_iov = &vectors[i];
    message.msg_iovlen = 1;
    if (one.from) put_local(message, controls[i], *one.from);
  }
  const int sent = ::sendmmsg(fd, messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) return {0, errno};
  return {static_cast<size_t>(sent), 0};
}

bool is_limited_broadcast(const SocketAddress& address) {
  sockaddr_in ip;
  std::memcpy(&ip, &address.storage, sizeof ip);
  return ip.sin_family == AF_INET && ip.sin_addr.s_addr == htonl(INADDR_BROADCAST);
}

size_t take_peer_errors(int fd, const std::function<void(const SocketAddress&, int)>& told) {
  size_t count = 0;
  for (size_t taken = 0; taken < kErrorBatch; ++taken) {
    SocketAddress peer;
    // Room for the error, whose second part is the address of who answered, and for what else the socket asks for.
    alignas(cmsghdr) std::array<char, 256> control;
    msghdr message{};
    message.msg_name = peer.get();
    message.msg_namelen = sizeof peer.storage;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) break;
    peer.size = message.msg_namelen;
    sock_extended_err error{};
    if (peer.size == 0 || !read_error(message, error) || !is_told(error)) continue;
    told(peer, static_cast<int>(error.ee_errno));
    ++count;
  }
  return count;
}

}  // namespace wasi_netd::net

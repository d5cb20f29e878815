#pragma once
// What a handle names: a protocol, a control, a connection or a stream.
//
// An object belongs to one session, is held by the session's handles and by the flows that work on it, and lives on the
// tenant's loop. When its last handle is closed it is told once; it may live on to deliver what was written.
#include <cstdint>
#include <memory>
#include <vector>

#include "daemon/base/token.h"
#include "daemon/broker/rights.h"

namespace wasi_netd::broker {

class Session;

// The bits of proto's Readiness.
inline constexpr uint32_t kReadable = 1;
inline constexpr uint32_t kWritable = 2;
inline constexpr uint32_t kHangup = 4;

class Object {
 public:
  Object(std::shared_ptr<Session> session, Kind kind);
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object();

  Kind kind() const { return kind_; }
  Session& session() const { return *session_; }
  const std::shared_ptr<Session>& session_share() const { return session_; }

  // What a call would find now: a set of kReadable, kWritable, kHangup.
  virtual uint32_t readiness() = 0;
  // Bytes of the datagram that a read would give, where it would.
  virtual uint32_t next_size() const { return 0; }
  // One `ready` event for `handle` when something of `interest` comes to hold. Arming again widens the interest.
  void arm(const Token& handle, uint32_t interest);
  void disarm(const Token& handle);

  void handle_opened() { ++handles_; }
  void handle_closed();

 protected:
  virtual void last_handle_closed() = 0;
  // Called after arm(): for objects that must ask the kernel to learn of a change.
  virtual void watch(uint32_t /*interest*/) {}
  // To be called after every change of readiness().
  void readiness_changed();

 private:
  struct Armed {
    Token handle;
    uint32_t interest;
  };
  const std::shared_ptr<Session> session_;
  const Kind kind_;
  size_t handles_ = 0;
  std::vector<Armed> armed_;
};

}  // namespace wasi_netd::broker

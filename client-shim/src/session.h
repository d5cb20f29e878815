#pragma once
// One guest's session in the daemon: the OpenSession call, the handles that live in it, and the unary calls made in it.
//
// A Guest owns it through shared_ptr, handles keep it; the last reference goes on the guest's thread after done().
// The session is *lost* when its call ended, or when any call found the daemon gone: then every handle of it is dead
// for good. Events (`ready`, `revoked`) find their handle by its token; those that come before the reply that names
// the handle are kept for it until the next call begins.
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "client-shim/src/bidi_call.h"
#include "client-shim/src/channel.h"
#include "client-shim/src/readiness.h"

namespace wasi_netd::shim {

class Session;
class StreamQueue;

// A token of the daemon as this guest holds it. Made and destroyed on the guest's thread.
class Handle {
 public:
  Handle(std::shared_ptr<Session> session, std::string token);
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle();

  Session& session() const { return *session_; }
  const std::shared_ptr<Session>& shared_session() const { return session_; }
  const std::string& token() const { return token_; }

  // ---- all below: under the lock
  // What a call that begins on this handle answers, and one that was waiting.
  Errno usable() const;
  Errno broken_while_waiting() const;

  Readiness readiness;
  bool revoked = false;
  StreamQueue* queue = nullptr;  // of the stream that this handle names; its owner sets and clears it

 private:
  const std::shared_ptr<Session> session_;
  const std::string token_;
};

class Session final : private BidiCall<v1::SessionRequest, v1::SessionEvent> {
 public:
  struct Protocol {
    std::string name;
    std::string token;
    Rights rights;
  };

  // Blocks until the daemon admitted or refused the guest. `rights` 0: no ceiling of the host's.
  static Errno open(const std::shared_ptr<Waker>& waker, const std::shared_ptr<Channel>& channel,
                    const std::string& guest, uint64_t rights, std::shared_ptr<Session>& out);

  // ---- guest's thread, without the lock
  // Tells the daemon that the guest closed this stream, beside the bytes that are on their way in its Transfer.
  void tell_closed(const std::string& stream);
  // Asks the daemon to end the session in order and waits for it until `deadline`; false: it did not.
  bool end(Deadline deadline);
  // Ends it now. Returns when gRPC has let go of it.
  void abort();

  v1::Broker::Stub& stub() const { return channel_->stub; }
  const std::shared_ptr<Channel>& channel() const { return channel_; }
  const std::shared_ptr<Waker>& waker() const { return waker_; }
  const std::string& token() const { return token_; }
  const std::vector<Protocol>& protocols() const { return protocols_; }
  uint32_t linger_ms() const { return linger_ms_; }

  // ---- under the lock
  bool lost() const { return lost_; }
  void mark_lost() { lost_ = true; }
  // A call begins; its reply may name a handle whose events come first.
  void call_started() { early_.clear(); }

 private:
  friend class Handle;
  struct Early {
    uint32_t ready = 0;
    uint32_t next_size = 0;
    bool revoked = false;
  };

  Session(const std::shared_ptr<Waker>& waker, std::shared_ptr<Channel> channel);
  Errno refusal(const grpc::Status& status) const;
  Operations next_operations() override;
  void on_message(v1::SessionEvent& event) override;
  bool on_written(bool ok) override;
  void on_read_end() override { lost_ = true; }
  void on_end(const grpc::Status& status) override;
  void on_ready(const v1::Ready& ready);
  void on_revoked(const std::string& token);
  void on_passing_error(const v1::PassingError& event);
  void on_write_ended(const v1::WriteEnded& event);

  const std::shared_ptr<Channel> channel_;
  // Set by the `opened` event, constant once open() returned.
  std::string token_;
  std::vector<Protocol> protocols_;
  uint32_t linger_ms_ = 0;

  // Guarded.
  bool opened_ = false;
  bool lost_ = false;
  bool reading_ = true;
  bool writing_ = true;
  std::deque<std::string> closed_;  // streams, to be told
  bool end_due_ = false;
  Errno refused_ = err::success;
  grpc::Status status_;
  std::unordered_multimap<std::string, Handle*> handles_;  // by token; several fds may hold one
  std::unordered_map<std::string, Early> early_;           // events of tokens not known, since the last call began
};

}  // namespace wasi_netd::shim

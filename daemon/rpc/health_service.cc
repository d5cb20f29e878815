#include "daemon/rpc/health_service.h"

#include <algorithm>
#include <utility>

#include "daemon/base/error.h"
#include "daemon/rpc/messages.h"

namespace wasi_netd::rpc {

// One Check call. Deletes itself when gRPC is done with it.
class HealthService::Checker final : public grpc::ServerUnaryReactor {
 public:
  Checker(CallLimit::Slot slot, grpc::Status status) : slot_(std::move(slot)) { Finish(std::move(status)); }

 private:
  void OnDone() override { delete this; }
  const CallLimit::Slot slot_;
};

// A Watch that is refused.
class HealthService::Refused final : public grpc::ServerWriteReactor<Response> {
 public:
  explicit Refused(grpc::Status status) { Finish(std::move(status)); }

 private:
  void OnDone() override { delete this; }
};

// One Watch call. Reactions of one call may run at the same time as each other and as update(): mutex_ guards the
// decision, the gRPC call follows outside of it, because gRPC may run the next reaction inside such a call.
class HealthService::Watcher final : public grpc::ServerWriteReactor<Response> {
 public:
  Watcher(HealthService& service, CallLimit::Slot slot, bool known)
      : service_(service), slot_(std::move(slot)), known_(known) {}

  // Tells the state if it is not the one told last. The state is read here, so that the last to look sees the newest.
  void update() {
    {
      std::lock_guard lock(mutex_);
      if (writing_ || cancelled_) return;
      const auto status = known_ ? service_.status() : Response::SERVICE_UNKNOWN;
      if (told_ && status == response_.status()) return;
      response_.set_status(status);
      told_ = writing_ = true;
    }
    StartWrite(&response_);
  }

 private:
  void OnWriteDone(bool ok) override {
    bool cancelled;
    {
      std::lock_guard lock(mutex_);
      writing_ = false;
      cancelled = cancelled_;
    }
    if (cancelled) {
      Finish(grpc::Status::CANCELLED);
    } else if (ok) {
      update();
    }  // else: the connection is gone, OnCancel follows
  }

  void OnCancel() override {
    {
      std::lock_guard lock(mutex_);
      cancelled_ = true;
      if (writing_) return;
    }
    Finish(grpc::Status::CANCELLED);
  }

  void OnDone() override { service_.remove(this); }  // deletes this, unless set_serving() holds a share

  HealthService& service_;
  const CallLimit::Slot slot_;
  const bool known_;
  std::mutex mutex_;
  bool told_ = false;
  bool writing_ = false;    // response_ is gRPC's
  bool cancelled_ = false;  // finished, or to be finished when the write is done
  Response response_;
};

HealthService::HealthService(std::vector<std::string> services, CallLimit& calls)
    : services_(std::move(services)), calls_(calls) {}

HealthService::~HealthService() { WASI_NETD_CHECK(watchers_.empty(), "health service destroyed before its server"); }

void HealthService::set_serving(bool serving) {
  serving_ = serving;
  std::vector<std::shared_ptr<Watcher>> watchers;
  {
    std::lock_guard lock(mutex_);
    watchers.assign(watchers_.begin(), watchers_.end());
  }
  for (const auto& watcher : watchers) watcher->update();
}

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* context, const Request* request,
                                               Response* response) {
  auto slot = calls_.enter();
  if (!slot) {
    auto* reactor = context->DefaultReactor();
    reactor->Finish(too_many_calls());
    return reactor;
  }
  if (!knows(request->service())) {
    return new Checker(std::move(*slot), grpc::Status(grpc::StatusCode::NOT_FOUND, "no such service"));
  }
  response->set_status(status());
  return new Checker(std::move(*slot), grpc::Status::OK);
}

grpc::ServerWriteReactor<HealthService::Response>* HealthService::Watch(grpc::CallbackServerContext*,
                                                                        const Request* request) {
  auto slot = calls_.enter();
  if (!slot) return new Refused(too_many_calls());
  auto watcher = std::make_shared<Watcher>(*this, std::move(*slot), knows(request->service()));
  {
    std::lock_guard lock(mutex_);
    watchers_.insert(watcher);
  }
  watcher->update();
  return watcher.get();
}

bool HealthService::knows(const std::string& service) const {
  return service.empty() || std::find(services_.begin(), services_.end(), service) != services_.end();
}

HealthService::Response::ServingStatus HealthService::status() const {
  return serving_ ? Response::SERVING : Response::NOT_SERVING;
}

std::shared_ptr<HealthService::Watcher> HealthService::remove(const Watcher* watcher) {
  std::lock_guard lock(mutex_);
  const auto found =
      std::find_if(watchers_.begin(), watchers_.end(), [&](const auto& w) { return w.get() == watcher; });
  auto removed = *found;
  watchers_.erase(found);
  return removed;
}

}  // namespace wasi_netd::rpc

#pragma once
// gRPC's standard server reflection (grpc.reflection.v1alpha), so that grpcurl and clients without our proto files can
// use a tenant's server. Written here because libgrpc++_reflection makes every server start a thread.
//
// ReflectionIndex is immutable, made once for the process and shared by all servers. It holds the files that define the
// served services, and only they can be asked for: DescriptorPool's own look-ups are not for hostile names, as the
// generated pool remembers every name it did not find for as long as the process lives. The files are proto3 and thus
// have no extensions.
//
// ReflectionService: one instance per tenant server, which it outlives. It runs on gRPC's threads, shares nothing that
// changes but the count of its calls, and holds one request and one response per call. A call always has either a read
// or a write outstanding; cancelling the call, as the server's shutdown does, fails that operation and thereby finishes
// the call.
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <google/protobuf/descriptor.h>

#include "daemon/rpc/call_limit.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"

namespace wasi_netd::rpc {

class ReflectionIndex {
 public:
  using Request = grpc::reflection::v1alpha::ServerReflectionRequest;
  using Response = grpc::reflection::v1alpha::ServerReflectionResponse;

  // `services`: full names of services that are linked in; another name is a bug. Any thread.
  explicit ReflectionIndex(std::vector<std::string> services);

  // Moves the request into the response and answers it there.
  void answer(Request&& request, Response& response) const;

 private:
  struct File {
    std::string bytes;                      // a serialized FileDescriptorProto
    std::vector<const File*> with_imports;  // itself first, then what it imports, directly or not
  };

  const File& add_file(const google::protobuf::FileDescriptor& descriptor);
  void add_symbols(const google::protobuf::FileDescriptor& descriptor, const File& file);
  void add_message(const google::protobuf::Descriptor& message, const File& file);
  void add_enum(const google::protobuf::EnumDescriptor& type, const File& file);

  const std::vector<std::string> services_;
  std::map<std::string, File> files_;                     // by name; nodes stay where they are
  std::unordered_map<std::string, const File*> symbols_;  // by full name
  std::unordered_set<std::string> messages_;              // full names
};

class ReflectionService final : public grpc::reflection::v1alpha::ServerReflection::CallbackService {
 public:
  // The limit outlives the server.
  ReflectionService(std::shared_ptr<const ReflectionIndex> index, CallLimit& calls)
      : index_(std::move(index)), calls_(calls) {}

 private:
  class Call;
  using Request = ReflectionIndex::Request;
  using Response = ReflectionIndex::Response;
  grpc::ServerBidiReactor<Request, Response>* ServerReflectionInfo(grpc::CallbackServerContext*) override;

  const std::shared_ptr<const ReflectionIndex> index_;
  CallLimit& calls_;
};

}  // namespace wasi_netd::rpc

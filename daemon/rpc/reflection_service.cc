#include "daemon/rpc/reflection_service.h"

#include <algorithm>
#include <utility>

#include <google/protobuf/descriptor.pb.h>

#include "daemon/base/error.h"
#include "daemon/rpc/messages.h"
#include "daemon/rpc/rpc_stream.h"

namespace wasi_netd::rpc {
namespace {

namespace pb = google::protobuf;
using Response = ReflectionIndex::Response;

void refuse(Response& response, grpc::StatusCode code, const char* message) {
  auto* error = response.mutable_error_response();
  error->set_error_code(code);
  error->set_error_message(message);
}

}  // namespace

ReflectionIndex::ReflectionIndex(std::vector<std::string> services) : services_(std::move(services)) {
  for (const auto& name : services_) {
    const auto* service = pb::DescriptorPool::generated_pool()->FindServiceByName(name);
    WASI_NETD_CHECK(service, name + " is not linked in");
    add_file(*service->file());
  }
}

// Imports cannot form a cycle, so this ends.
const ReflectionIndex::File& ReflectionIndex::add_file(const pb::FileDescriptor& descriptor) {
  if (const auto known = files_.find(descriptor.name()); known != files_.end()) return known->second;
  // What answer() says of extensions holds for proto3 only.
  WASI_NETD_CHECK(descriptor.syntax() == pb::FileDescriptor::SYNTAX_PROTO3, descriptor.name());
  pb::FileDescriptorProto proto;
  descriptor.CopyTo(&proto);
  File& added = files_[descriptor.name()];
  added.bytes = proto.SerializeAsString();
  added.with_imports.push_back(&added);
  for (int i = 0; i < descriptor.dependency_count(); ++i) {
    for (const File* import : add_file(*descriptor.dependency(i)).with_imports) {
      if (std::find(added.with_imports.begin(), added.with_imports.end(), import) == added.with_imports.end()) {
        added.with_imports.push_back(import);
      }
    }
  }
  add_symbols(descriptor, added);
  return added;
}

void ReflectionIndex::add_symbols(const pb::FileDescriptor& descriptor, const File& file) {
  for (int i = 0; i < descriptor.message_type_count(); ++i) add_message(*descriptor.message_type(i), file);
  for (int i = 0; i < descriptor.enum_type_count(); ++i) add_enum(*descriptor.enum_type(i), file);
  for (int i = 0; i < descriptor.service_count(); ++i) {
    const auto& service = *descriptor.service(i);
    symbols_[service.full_name()] = &file;
    for (int k = 0; k < service.method_count(); ++k) symbols_[service.method(k)->full_name()] = &file;
  }
}

void ReflectionIndex::add_message(const pb::Descriptor& message, const File& file) {
  symbols_[message.full_name()] = &file;
  messages_.insert(message.full_name());
  for (int i = 0; i < message.field_count(); ++i) symbols_[message.field(i)->full_name()] = &file;
  for (int i = 0; i < message.oneof_decl_count(); ++i) symbols_[message.oneof_decl(i)->full_name()] = &file;
  for (int i = 0; i < message.nested_type_count(); ++i) add_message(*message.nested_type(i), file);
  for (int i = 0; i < message.enum_type_count(); ++i) add_enum(*message.enum_type(i), file);
}

void ReflectionIndex::add_enum(const pb::EnumDescriptor& type, const File& file) {
  symbols_[type.full_name()] = &file;
  for (int i = 0; i < type.value_count(); ++i) symbols_[type.value(i)->full_name()] = &file;
}

void ReflectionIndex::answer(Request&& original, Response& response) const {
  response.Clear();
  response.set_valid_host(original.host());
  response.mutable_original_request()->Swap(&original);
  const Request& request = response.original_request();

  const auto give = [&](const File& file) {
    auto* reply = response.mutable_file_descriptor_response();
    for (const File* each : file.with_imports) reply->add_file_descriptor_proto(each->bytes);
  };
  switch (request.message_request_case()) {
    case Request::kListServices:
      for (const auto& name : services_) response.mutable_list_services_response()->add_service()->set_name(name);
      return;
    case Request::kFileByFilename: {
      const auto file = files_.find(request.file_by_filename());
      if (file == files_.end()) return refuse(response, grpc::StatusCode::NOT_FOUND, "no such file");
      return give(file->second);
    }
    case Request::kFileContainingSymbol: {
      const auto symbol = symbols_.find(request.file_containing_symbol());
      if (symbol == symbols_.end()) return refuse(response, grpc::StatusCode::NOT_FOUND, "no such symbol");
      return give(*symbol->second);
    }
    case Request::kFileContainingExtension:
      return refuse(response, grpc::StatusCode::NOT_FOUND, "no such extension");
    case Request::kAllExtensionNumbersOfType: {
      const auto& name = request.all_extension_numbers_of_type();
      if (!messages_.contains(name)) return refuse(response, grpc::StatusCode::NOT_FOUND, "no such type");
      response.mutable_all_extension_numbers_response()->set_base_type_name(name);
      return;
    }
    case Request::MESSAGE_REQUEST_NOT_SET:
      break;
  }
  refuse(response, grpc::StatusCode::INVALID_ARGUMENT, "the request asks for nothing");
}

// Deletes itself when gRPC is done with it.
class ReflectionService::Call final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  Call(std::shared_ptr<const ReflectionIndex> index, CallLimit::Slot slot)
      : index_(std::move(index)), slot_(std::move(slot)) {
    StartRead(&request_);
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);  // the caller has no more questions, or is gone
    index_->answer(std::move(request_), response_);
    StartWrite(&response_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

  const std::shared_ptr<const ReflectionIndex> index_;
  const CallLimit::Slot slot_;
  Request request_;
  Response response_;
};

grpc::ServerBidiReactor<ReflectionService::Request, ReflectionService::Response>*
ReflectionService::ServerReflectionInfo(grpc::CallbackServerContext*) {
  auto slot = calls_.enter();
  if (!slot) return new RefusedStream<Request, Response>(too_many_calls());
  return new Call(index_, std::move(*slot));
}

}  // namespace wasi_netd::rpc

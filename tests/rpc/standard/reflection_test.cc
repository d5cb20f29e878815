#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "daemon/rpc/reflection_service.h"
#include "wasi_netd/v1/broker.pb.h"

namespace wasi_netd::rpc {
namespace {

using grpc::reflection::v1alpha::ServerReflection;
using Request = ReflectionIndex::Request;
using Response = ReflectionIndex::Response;

const std::vector<std::string> kServices = {"wasi_netd.v1.Broker", "grpc.reflection.v1alpha.ServerReflection"};

class ReflectionTest : public testing::Test {
 protected:
  ReflectionTest() {
    grpc::ServerBuilder builder;
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    stub_ = ServerReflection::NewStub(server_->InProcessChannel({}));
    call_ = stub_->ServerReflectionInfo(&context_);
  }
  ~ReflectionTest() override {
    context_.TryCancel();
    call_.reset();
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(20));
  }

  Response ask(const Request& request) {
    Response response;
    EXPECT_TRUE(call_->Write(request));
    EXPECT_TRUE(call_->Read(&response));
    return response;
  }
  Response ask_file(const std::string& name) {
    Request request;
    request.set_file_by_filename(name);
    return ask(request);
  }
  Response ask_symbol(const std::string& name) {
    Request request;
    request.set_file_containing_symbol(name);
    return ask(request);
  }
  static void expect_error(const Response& response, grpc::StatusCode code) {
    ASSERT_EQ(response.message_response_case(), Response::kErrorResponse) << response.DebugString();
    EXPECT_EQ(response.error_response().error_code(), code);
    EXPECT_FALSE(response.error_response().error_message().empty());
  }

  CallLimit calls_{3};
  ReflectionService service_{std::make_shared<ReflectionIndex>(kServices), calls_};
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<ServerReflection::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> call_;
};

TEST_F(ReflectionTest, CallsAreLimited) {
  grpc::ClientContext contexts[3];
  std::vector<std::unique_ptr<grpc::ClientReaderWriter<Request, Response>>> calls;
  Request request;
  request.set_list_services("*");
  ask(request);  // the fixture's own call
  for (auto& context : contexts) {
    auto& call = calls.emplace_back(stub_->ServerReflectionInfo(&context));
    call->Write(request);
    Response response;
    EXPECT_EQ(call->Read(&response), calls.size() < 3);
  }
  EXPECT_EQ(calls.back()->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  for (auto& context : contexts) context.TryCancel();
}

TEST_F(ReflectionTest, ListsTheServicesItWasGiven) {
  Request request;
  request.set_host("host");
  request.set_list_services("*");
  const Response response = ask(request);
  std::vector<std::string> names;
  for (const auto& service : response.list_services_response().service()) names.push_back(service.name());
  EXPECT_EQ(names, kServices);
  EXPECT_EQ(response.valid_host(), "host");
  EXPECT_EQ(response.original_request().SerializeAsString(), request.SerializeAsString());
}

TEST_F(ReflectionTest, TheFilesOfASymbolAreEnoughToBuildTheService) {
  const Response response = ask_symbol("wasi_netd.v1.Broker");
  google::protobuf::DescriptorPool pool;
  const auto& files = response.file_descriptor_response().file_descriptor_proto();
  for (auto file = files.rbegin(); file != files.rend(); ++file) {  // imports first
    google::protobuf::FileDescriptorProto proto;
    ASSERT_TRUE(proto.ParseFromString(*file));
    ASSERT_TRUE(pool.BuildFile(proto)) << proto.name();
  }
  const auto* broker = pool.FindServiceByName("wasi_netd.v1.Broker");
  ASSERT_TRUE(broker);
  const auto* own = v1::OpenRequest::descriptor()->file()->FindServiceByName("Broker");
  EXPECT_EQ(broker->DebugString(), own->DebugString());
}

TEST_F(ReflectionTest, EverySymbolOfAFileLeadsToIt) {
  const std::string file = ask_file("wasi_netd/v1/broker.proto").file_descriptor_response().file_descriptor_proto(0);
  for (const char* symbol : {"wasi_netd.v1.Broker", "wasi_netd.v1.Broker.OpenSession", "wasi_netd.v1.OpenRequest",
                             "wasi_netd.v1.OpenRequest.session", "wasi_netd.v1.SessionEvent.event",
                             "wasi_netd.v1.Errno", "wasi_netd.v1.NOTCAPABLE"}) {
    const Response response = ask_symbol(symbol);
    ASSERT_EQ(response.message_response_case(), Response::kFileDescriptorResponse) << symbol;
    EXPECT_EQ(response.file_descriptor_response().file_descriptor_proto(0), file) << symbol;
  }
}

TEST_F(ReflectionTest, UnknownNamesAreNotFoundAndTheCallGoesOn) {
  expect_error(ask_symbol("wasi_netd.v1.Nothing"), grpc::StatusCode::NOT_FOUND);
  expect_error(ask_symbol(""), grpc::StatusCode::NOT_FOUND);
  expect_error(ask_file("../../etc/passwd"), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ask_symbol("wasi_netd.v1.Broker").message_response_case(), Response::kFileDescriptorResponse);
}

TEST_F(ReflectionTest, FilesOfServicesThatAreNotServedAreNotGiven) {
  expect_error(ask_file("google/protobuf/descriptor.proto"), grpc::StatusCode::NOT_FOUND);
  expect_error(ask_symbol("google.protobuf.FileDescriptorProto"), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ReflectionTest, AMessageWithoutExtensionsHasNone) {
  Request request;
  request.set_all_extension_numbers_of_type("wasi_netd.v1.OpenRequest");
  const Response response = ask(request);
  ASSERT_EQ(response.message_response_case(), Response::kAllExtensionNumbersResponse);
  EXPECT_EQ(response.all_extension_numbers_response().base_type_name(), "wasi_netd.v1.OpenRequest");
  EXPECT_EQ(response.all_extension_numbers_response().extension_number_size(), 0);

  request.set_all_extension_numbers_of_type("wasi_netd.v1.Broker");  // not a message
  expect_error(ask(request), grpc::StatusCode::NOT_FOUND);
  request.mutable_file_containing_extension()->set_containing_type("wasi_netd.v1.OpenRequest");
  request.mutable_file_containing_extension()->set_extension_number(-1);
  expect_error(ask(request), grpc::StatusCode::NOT_FOUND);
}

TEST_F(ReflectionTest, ARequestForNothingIsAnError) {
  expect_error(ask(Request()), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ReflectionTest, HalfCloseEndsTheCallWithOk) {
  ask_symbol("wasi_netd.v1.Broker");
  call_->WritesDone();
  Response response;
  EXPECT_FALSE(call_->Read(&response));
  EXPECT_TRUE(call_->Finish().ok());
}

TEST_F(ReflectionTest, ShutdownWithADeadlineEndsIdleAndBusyCalls) {
  ask_symbol("wasi_netd.v1.Broker");
  grpc::ClientContext busy_context;
  auto busy = stub_->ServerReflectionInfo(&busy_context);
  Request request;
  request.set_file_containing_symbol("wasi_netd.v1.Broker");
  busy->Write(request);  // its answer is not read
  server_->Shutdown(std::chrono::system_clock::now());
  Response response;
  EXPECT_FALSE(call_->Read(&response));
  while (busy->Read(&response)) {
  }
}

TEST(ReflectionIndexDeathTest, AServiceThatIsNotLinkedInIsABug) {
  EXPECT_DEATH(ReflectionIndex({"no.such.Service"}), "no.such.Service is not linked in");
}

}  // namespace
}  // namespace wasi_netd::rpc

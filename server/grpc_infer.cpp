// SPDX-License-Identifier: Apache-2.0
#include "server/grpc_infer.h"

#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/proto_buffer_writer.h>

#include <deque>
#include <mutex>

#include "server/infer_message.h"
#include "serving/rejection.h"
#include "support/guard.h"

namespace tessera::server {
namespace {

using Clock = std::chrono::steady_clock;

// Joins a call and the request to take it back, which come in either order.
class Cancellation {
 public:
  void set(std::shared_ptr<RunningCall> running) {
    std::unique_lock lock(mutex_);
    running_ = std::move(running);
    if (is_cancelled_) cancel_with(lock);
  }
  void cancel() {
    std::unique_lock lock(mutex_);
    is_cancelled_ = true;
    if (running_) cancel_with(lock);
  }

 private:
  void cancel_with(std::unique_lock<std::mutex>& lock) {
    const std::shared_ptr<RunningCall> running = running_;
    lock.unlock();
    running->cancel();
  }
  std::mutex mutex_;
  std::shared_ptr<RunningCall> running_;
  bool is_cancelled_ = false;
};

// Lives until gRPC says OnDone, which comes after Finish and after any OnCancel.
class InferReactor final : public grpc::ServerUnaryReactor {
 public:
  InferReactor(std::shared_ptr<const GrpcParts> parts, grpc::CallbackServerContext* context,
               grpc::ByteBuffer* response)
      : parts_(std::move(parts)), context_(context), response_(response), held_(parts_->budget) {}

  void start(const grpc::ByteBuffer& bytes) {
    const std::shared_ptr<Cancellation> cancellation = cancellation_;
    auto running = guarded("server", [&] { return infer(bytes); });
    if (!running) return finish(running.error());
    cancellation->set(running.take());  // this may be gone by now
  }

  void OnCancel() override { cancellation_->cancel(); }
  void OnDone() override { delete this; }

 private:
  Expected<std::shared_ptr<RunningCall>> infer(const grpc::ByteBuffer& bytes) {
    line_.bytes_in = static_cast<int64_t>(bytes.Length());
    // The bytes in one piece, and what protobuf makes of them: typed numbers of a byte become
    // eight.
    if (!held_.take(10 * line_.bytes_in)) return held_.refusal();
    grpc::Slice slice;
    const bool is_one = bytes.TrySingleSlice(&slice).ok() || bytes.DumpToSingleSlice(&slice).ok();
    const Error malformed{"request: is not the protobuf message that it must be", ErrorKind::Failed,
                          refusal::kMalformed};
    if (!is_one) return malformed;
    TRY(check_infer_message({reinterpret_cast<const std::byte*>(slice.begin()), slice.size()}));
    inference::ModelInferRequest message;
    if (!message.ParseFromArray(slice.begin(), static_cast<int>(slice.size()))) return malformed;
    std::deque<std::vector<std::byte>> buffers;
    call_ = TRY(read_infer_message(message, buffers));
    if (const auto left = time_left(); left.count() > 0) {
      if (call_.timeout.count() == 0 || left < call_.timeout) call_.timeout = left;
    }
    return parts_->hub->infer(call_, [this](const Expected<InferResult>& result) {
      result ? finish(*result) : finish(result.error());
    });
  }

  // The time to the deadline that the client gave gRPC; 0: it gave none.
  std::chrono::microseconds time_left() const {
    const auto now = std::chrono::system_clock::now();
    const auto left = context_->deadline() - now;
    constexpr auto kNone = std::chrono::hours(24 * 365);
    if (left > kNone) return std::chrono::microseconds(0);
    return std::max(std::chrono::microseconds(1),
                    std::chrono::duration_cast<std::chrono::microseconds>(left));
  }

  void finish(const InferResult& result) {
    inference::ModelInferResponse message;
    write_infer_message(result, call_, message);
    bool own_buffer = false;
    const grpc::Status written =
        grpc::GenericSerialize<grpc::ProtoBufferWriter, inference::ModelInferResponse>(
            message, response_, &own_buffer);
    line_.version = result.version;
    line_.rows = result.rows;
    line_.bytes_out = static_cast<int64_t>(response_->Length());
    end(written);
  }

  void finish(const Error& error) {
    line_.error = error.type;
    if (protocol_status(error).may_retry) {
      const auto model = parts_->hub->find(call_.model, call_.version);
      const auto wait = model ? (*model)->retry_after() : std::chrono::seconds(1);
      context_->AddTrailingMetadata("retry-after", std::to_string(wait.count()));
    }
    if (!error.type.empty())
      context_->AddTrailingMetadata("tessera-error-type", std::string(error.type));
    end(grpc_status(error));
  }

  void end(const grpc::Status& status) {
    if (parts_->log) {
      constexpr size_t kMost = 512;
      line_.protocol = "grpc";
      line_.method = "ModelInfer";
      line_.peer = context_->peer();
      line_.model = call_.model.substr(0, kMost);
      line_.id = call_.id.substr(0, kMost);
      line_.status = status.error_code();
      line_.took = Clock::now() - began_;
      parts_->log->write(line_);
    }
    Finish(status);
  }

  const std::shared_ptr<const GrpcParts> parts_;
  grpc::CallbackServerContext* const context_;
  grpc::ByteBuffer* const response_;
  const std::shared_ptr<Cancellation> cancellation_ = std::make_shared<Cancellation>();
  const Clock::time_point began_ = Clock::now();
  HeldMemory held_;
  InferCall call_;
  AccessLine line_;
};

}  // namespace

grpc::Status grpc_status(const Error& error) {
  return {static_cast<grpc::StatusCode>(protocol_status(error).grpc), error.message};
}

grpc::ServerUnaryReactor* start_infer(std::shared_ptr<const GrpcParts> parts,
                                      grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* request, grpc::ByteBuffer* response) {
  auto* const reactor = new InferReactor(std::move(parts), context, response);
  reactor->start(*request);
  return reactor;
}

}  // namespace tessera::server

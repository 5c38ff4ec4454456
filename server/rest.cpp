// SPDX-License-Identifier: Apache-2.0
#include "server/rest.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "server/rest_pages.h"
#include "server/rest_paths.h"
#include "serving/rejection.h"
#include "support/guard.h"

namespace tessera::server {
namespace {

using Clock = std::chrono::steady_clock;

// One request and the way back to its client. A line of the log is written when the reply is made.
class Exchange : public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(std::shared_ptr<const RestParts> parts, std::shared_ptr<const HttpRequest> request,
           SendReply send)
      : parts_(std::move(parts)), request_(std::move(request)), send_(std::move(send)) {
    line_.protocol = "rest";
    line_.method = request_->method;
    line_.target = request_->target.substr(0, kMostOfTarget);
    line_.peer = request_->peer;
    line_.bytes_in = std::ssize(request_->body);
  }

  std::shared_ptr<RunningCall> run() {
    const RestPath path = parse_path(request_->target);
    line_.model = path.model;
    line_.version = path.version;
    if (path.page == RestPage::None)
      return answer(404, page_error("no such page; docs/serving.md lists them", "not_found"));
    if (request_->method != method_of(path.page)) {
      HttpReply reply = error_page(
          405, fmt::format("{} must be asked for by {}", request_->target, method_of(path.page)),
          "method");
      reply.headers.emplace_back("Allow", method_of(path.page));
      return answer(std::move(reply));
    }
    switch (path.page) {
      case RestPage::Infer: return infer(path);
      case RestPage::Load:
      case RestPage::Unload: return control(path);
      case RestPage::Stream:
        return refuse({"streaming: is not there, must be asked for by infer", ErrorKind::Failed,
                       refusal::kUnsupported});
      case RestPage::None:
      case RestPage::Server:
      case RestPage::Live:
      case RestPage::Ready:
      case RestPage::Model:
      case RestPage::ModelReady:
      case RestPage::ModelStats:
      case RestPage::AllStats:
      case RestPage::Index:
      case RestPage::Metrics: break;
    }
    return page(path);
  }

 private:
  static constexpr size_t kMostOfTarget = 512;

  std::shared_ptr<RunningCall> answer(HttpReply reply) {
    send_([self = shared_from_this(), reply = std::move(reply)] { return self->logged(reply); });
    return nullptr;
  }
  std::shared_ptr<RunningCall> answer(int status, std::string body) {
    return answer(HttpReply{.status = status, .body = std::move(body)});
  }
  std::shared_ptr<RunningCall> refuse(const Error& error) { return answer(refused(error)); }

  HttpReply logged(HttpReply reply) {
    if (!parts_->log) return reply;
    line_.status = reply.status;
    line_.bytes_out = std::ssize(reply.body);
    line_.took = Clock::now() - began_;
    parts_->log->write(line_);
    return reply;
  }

  HttpReply refused(const Error& error) {
    line_.error = error.type;
    const ProtocolStatus status = protocol_status(error);
    HttpReply reply = error_page(status.http, error.message, error.type);
    if (status.may_retry) {
      auto model = parts_->hub->find(line_.model, line_.version);
      const auto wait = model ? (*model)->retry_after() : std::chrono::seconds(1);
      reply.headers.emplace_back("Retry-After", std::to_string(wait.count()));
    }
    return reply;
  }

  std::shared_ptr<RunningCall> page(const RestPath& path) {
    auto made = make_page(*parts_, path);
    return made ? answer(made.take()) : refuse(made.error());
  }

  Expected<size_t> json_bytes() const {
    const std::string& body = request_->body;
    if (!request_->inference_header_length) return body.size();
    const std::string& text = *request_->inference_header_length;
    size_t size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    if (error == std::errc() && end == text.data() + text.size() && size <= body.size())
      return size;
    return Error{"request: Inference-Header-Content-Length must be at most the body's bytes",
                 ErrorKind::Failed, refusal::kMalformed};
  }

  std::shared_ptr<RunningCall> infer(const RestPath& path) {
    const auto size = json_bytes();
    if (!size) return refuse(size.error());
    auto call = read_infer_json(request_->body, *size, parts_->limits);
    if (!call) return refuse(call.error());
    call_ = std::make_shared<RestCall>(call.take());
    call_->call.model = path.model;
    call_->call.version = path.version;
    line_.id = call_->call.id.substr(0, kMostOfTarget);
    auto taken =
        parts_->hub->infer(call_->call, [self = shared_from_this()](Expected<InferResult> result) {
          self->send_([self, result = std::make_shared<Expected<InferResult>>(std::move(result))] {
            return self->finish(*result);
          });
        });
    call_->buffers.clear();
    return taken ? taken.take() : refuse(taken.error());
  }

  HttpReply finish(const Expected<InferResult>& result) {
    if (!result) return logged(refused(result.error()));
    line_.version = result->version;
    line_.rows = result->rows;
    RestAnswer written = write_infer_json(*result, *call_);
    HttpReply reply{.body = std::move(written.body)};
    if (written.json_bytes < reply.body.size()) {
      reply.content_type = "application/octet-stream";
      reply.headers.emplace_back("Inference-Header-Content-Length",
                                 std::to_string(written.json_bytes));
    }
    return logged(std::move(reply));
  }

  std::shared_ptr<RunningCall> control(const RestPath& path) {
    if (!parts_->control) return refuse(no_control());
    const auto done = [self = shared_from_this()](const Status& status) {
      self->send_([self, status] {
        return self->logged(status ? HttpReply{.body = "{}"} : self->refused(status.error()));
      });
    };
    if (path.page == RestPage::Load)
      parts_->control->load(path.model, done);
    else
      parts_->control->unload(path.model, done);
    return nullptr;
  }

  const std::shared_ptr<const RestParts> parts_;
  const std::shared_ptr<const HttpRequest> request_;
  const SendReply send_;
  const Clock::time_point began_ = Clock::now();
  std::shared_ptr<RestCall> call_;
  AccessLine line_;
};

}  // namespace

std::vector<std::string> protocol_extensions(bool has_control) {
  std::vector<std::string> names = {"binary_tensor_data", "parameters", "schedule_policy",
                                    "statistics"};
  if (has_control) names.emplace_back("model_repository");
  return names;
}

HttpHandler rest_handler(RestParts parts) {
  return [parts = std::make_shared<const RestParts>(std::move(parts))](
             std::shared_ptr<const HttpRequest> request, SendReply send) {
    return std::make_shared<Exchange>(parts, std::move(request), std::move(send))->run();
  };
}

}  // namespace tessera::server

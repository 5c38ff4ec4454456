// SPDX-License-Identifier: Apache-2.0
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <cstring>
#include <nlohmann/json.hpp>

#include "bench/load/clients.h"

namespace tessera::load {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

tcp::endpoint loopback(int port) {
  return {asio::ip::address_v4::loopback(), static_cast<uint16_t>(port)};
}

// One for all clients: each has descriptors of its own, and calls here block and need no other.
asio::io_context& shared_context() {
  static asio::io_context context;
  return context;
}

Error lost(const boost::system::error_code& error) {
  return Error{"rest: the connection broke: " + error.message()};
}

class RestClient final : public CallClient {
 public:
  RestClient(int port, const std::string& model) : target_("/v2/models/" + model + "/infer") {
    socket_.connect(loopback(port), error_);
    if (!error_) socket_.set_option(tcp::no_delay(true), error_);
  }
  const boost::system::error_code& error() const { return error_; }

  Expected<Outcome> infer(const Call& call) override {
    http::request<http::string_body> request(http::verb::post, target_, 11);
    request.set(http::field::host, "127.0.0.1");
    nlohmann::ordered_json head = {
        {"inputs",
         {{{"name", "input_ids"},
           {"datatype", "INT32"},
           {"shape", {1, call.ids.size()}},
           {"parameters", {{"binary_data_size", call.ids.size() * sizeof(int32_t)}}}}}},
        {"outputs",    {{{"name", kAsked}, {"parameters", {{"binary_data", true}}}}}  },
        {"parameters", nlohmann::ordered_json::object()                               }
    };
    if (call.timeout.count() > 0) head["parameters"]["timeout"] = call.timeout.count();
    request.body() = head.dump();
    request.set("Inference-Header-Content-Length", std::to_string(request.body().size()));
    request.body().append(reinterpret_cast<const char*>(call.ids.data()),
                          call.ids.size() * sizeof(int32_t));
    request.prepare_payload();
    return outcome_of(TRY(exchange(request)));
  }

  Status ask_if_alive() override {
    http::request<http::empty_body> request(http::verb::get, "/v2/health/live", 11);
    request.set(http::field::host, "127.0.0.1");
    const Response response = TRY(exchange(request));
    if (response.result() == http::status::ok) return {};
    return Error{"rest: the server is not alive: " + std::to_string(response.result_int())};
  }

 private:
  using Response = http::response<http::string_body>;

  template <typename Body>
  Expected<Response> exchange(const http::request<Body>& request) {
    http::write(socket_, request, error_);
    if (error_) return lost(error_);
    Response response;
    http::read(socket_, buffer_, response, error_);
    if (error_) return lost(error_);
    return response;
  }

  static Outcome outcome_of(const Response& response) {
    Outcome outcome{static_cast<int>(response.result_int()), {}};
    if (outcome.status != 200) return outcome;
    const std::string_view body = response.body();
    const auto length = response.find("Inference-Header-Content-Length");
    const size_t head_size =
        length == response.end() ? body.size() : std::stoul(std::string(length->value()));
    const auto head = nlohmann::json::parse(body.substr(0, head_size), nullptr, false);
    const size_t bytes = head["outputs"][0]["parameters"].value("binary_data_size", size_t{0});
    outcome.answer.resize(bytes / sizeof(float));
    std::memcpy(outcome.answer.data(), body.data() + head_size,
                outcome.answer.size() * sizeof(float));
    return outcome;
  }

  std::string target_;
  tcp::socket socket_{shared_context()};
  boost::beast::flat_buffer buffer_;
  boost::system::error_code error_;
};

}  // namespace

Expected<std::unique_ptr<CallClient>> rest_client(int port, const std::string& model) {
  auto client = std::make_unique<RestClient>(port, model);
  if (client->error()) return lost(client->error());
  return std::unique_ptr<CallClient>(std::move(client));
}

int send_raw(int port, const std::string& bytes) {
  tcp::socket socket(shared_context());
  boost::system::error_code error;
  socket.connect(loopback(port), error);
  if (!error) asio::write(socket, asio::buffer(bytes), error);
  if (!error) socket.shutdown(tcp::socket::shutdown_send, error);
  boost::beast::flat_buffer buffer;
  http::response<http::string_body> response;
  if (!error) http::read(socket, buffer, response, error);
  return error ? 0 : static_cast<int>(response.result_int());
}

}  // namespace tessera::load

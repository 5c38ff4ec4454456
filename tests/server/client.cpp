// SPDX-License-Identifier: Apache-2.0
#include "tests/server/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace tessera::server {
namespace {

constexpr int kPatience = 10'000;  // milliseconds

}  // namespace

Client::Client(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) close();
}

Client::~Client() { close(); }

void Client::close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

void Client::stop_sending() { ::shutdown(socket_, SHUT_WR); }

bool Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool Client::more() {
  pollfd ready{socket_, POLLIN, 0};
  if (::poll(&ready, 1, kPatience) != 1) return false;
  char bytes[65536];
  const ssize_t got = ::recv(socket_, bytes, sizeof bytes, 0);
  if (got > 0) buffer_.append(bytes, static_cast<size_t>(got));
  return got > 0;
}

std::optional<std::string> Client::line() {
  for (size_t end = 0; (end = buffer_.find("\r\n")) == std::string::npos;)
    if (!more()) return {};
  const size_t end = buffer_.find("\r\n");
  std::string text = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return text;
}

Reply Client::receive() {
  Reply reply;
  auto status = line();
  if (!status || status->size() < 12) return reply;
  for (auto header = line(); header && !header->empty(); header = line()) {
    const size_t colon = header->find(": ");
    if (colon == std::string::npos) return reply;
    std::string name = header->substr(0, colon);
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    reply.headers[name] = header->substr(colon + 2);
  }
  const size_t length =
      reply.headers.contains("content-length") ? std::stoul(reply.headers["content-length"]) : 0;
  while (buffer_.size() < length)
    if (!more()) return reply;
  reply.body = buffer_.substr(0, length);
  buffer_.erase(0, length);
  reply.status = std::stoi(status->substr(9, 3));
  return reply;
}

bool Client::is_closed_within(milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now()).count();
    pollfd ready{socket_, POLLIN, 0};
    if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left)) != 1) return false;
    char bytes[4096];
    if (::recv(socket_, bytes, sizeof bytes, 0) <= 0) return true;
  }
}

Reply Client::get(const std::string& target) {
  send("GET " + target + " HTTP/1.1\r\nHost: test\r\n\r\n");
  return receive();
}

Reply Client::post(const std::string& target, const std::string& body,
                   const std::string& more_headers) {
  send("POST " + target + " HTTP/1.1\r\nHost: test\r\nContent-Length: " +
       std::to_string(body.size()) + "\r\n" + more_headers + "\r\n");
  send(body);
  return receive();
}

ServerOptions quick_options() {
  ServerOptions options;
  options.http.port = 0;
  options.grpc->port = 0;
  options.runner.runner.warm_up = true;  // gRPC's clients have deadlines
  options.runner.runner.former.timeout = milliseconds(1);
  options.drain = std::chrono::seconds(10);
  options.version = "test";
  return options;
}

std::shared_ptr<ServedModel> echo_model(const std::string& version, RunnerOptions runner,
                                        PackingForm form) {
  auto model = PackedModel::create("echo", version, echo_runner(form), std::move(runner), nullptr);
  EXPECT_TRUE(model.ok()) << model.error().message;
  return model.ok() ? model.take() : nullptr;
}

std::unique_ptr<Server> echo_server(ServerOptions options, PackingForm form) {
  auto server = Server::start(options);
  EXPECT_TRUE(server.ok()) << server.error().message;
  if (!server.ok()) return nullptr;
  (*server)->hub().add(echo_model("1", options.runner, form));
  return server.take();
}

std::string body_of(const std::vector<int32_t>& ids, const nlohmann::json& parameters) {
  nlohmann::json body = {
      {"inputs",
       {{{"name", "input_ids"},
         {"datatype", "INT64"},
         {"shape", {1, ids.size()}},
         {"data", ids}}}}
  };
  if (!parameters.is_null()) body["parameters"] = parameters;
  return body.dump();
}

}  // namespace tessera::server

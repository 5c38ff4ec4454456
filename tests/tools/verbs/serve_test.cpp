// SPDX-License-Identifier: Apache-2.0
// tessera serve as a process: what it refuses to begin, and how it ends. Its answers are in
// tests/server.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// One that is free now.
int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(socket);
  return ntohs(address.sin_port);
}

// The first bytes of the answer to GET `target`; "" while nobody listens.
std::string get(int port, const std::string& target) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = loopback(port);
  std::string reply;
  if (::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    const std::string request = "GET " + target + " HTTP/1.1\r\nHost: t\r\n\r\n";
    char bytes[512];
    if (::send(socket, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
      const ssize_t got = ::recv(socket, bytes, sizeof bytes, 0);
      reply.assign(bytes, static_cast<size_t>(std::max<ssize_t>(got, 0)));
    }
  }
  ::close(socket);
  return reply;
}

TEST(Serve, is_ready_and_ends_well_when_it_is_told_to) {
  for (const int signal : {SIGTERM, SIGINT}) {
    const int port = free_port();
    const pid_t server = start_tessera({"serve", "tiny=" + packed_executable(), "--http_port",
                                        std::to_string(port), "--grpc_port", "0"});
    std::string reply;
    // It listens before it is ready, and says so.
    for (int i = 0; i < 3000 && reply.find("200 OK") == std::string::npos; ++i) {
      reply = get(port, "/v2/health/ready");
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    EXPECT_THAT(reply, HasSubstr("200 OK"));
    EXPECT_THAT(get(port, "/v2/models/tiny"), HasSubstr("input_ids"));
    kill(server, signal);
    int status = 0;
    waitpid(server, &status, 0);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
    EXPECT_EQ(get(port, "/v2"), "");
  }
}

TEST(Serve, what_it_cannot_serve_is_an_error_before_it_listens) {
  const auto refused = [](const Words& more, int code, const std::string& said) {
    Words words = {"serve", "--grpc_port", "0"};
    words.insert(words.end(), more.begin(), more.end());
    const Result result = tessera(words);
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_THAT(result.err, HasSubstr(said));
  };
  const std::string model = "tiny=" + packed_executable();
  refused({}, 2, "no model");
  refused({packed_executable()}, 2, "must be NAME=MODEL.popef");
  refused({"../x=" + packed_executable()}, 2, "must be NAME=MODEL.popef");
  refused({"tiny=" + path("none.popef")}, 1, "none.popef");
  refused({"tiny=" + tiny_model()}, 2, "needs a shape to begin with");
  refused({model, "--host", "nowhere"}, 2, "must be an IPv4 or IPv6 address");
  refused({model, "--http_port", "70000"}, 2, "must be in 0..65535");
  refused({model, "--allow_model_control"}, 2, "for a --model_folder");
  refused({model, "--policy", "best"}, 2, "--policy");
  refused({model, "--warm_up", "input_ids=4,8"}, 2, "needs an ONNX model");
  refused({"--model_folder", path("no_folder")}, 1, "must be a folder of models");
}

TEST(Serve, says_which_models_of_a_folder_it_serves_and_why_not_the_others) {
  const auto put = [](const std::string& folder) {
    fs::create_directories(path("models/" + folder));
    return path("models/" + folder + "/model.popef");
  };
  const Words words = {"serve",        "--grpc_port", "0",      "--model_folder",
                       path("models"), "--host",      "nowhere"};  // so that it ends
  fs::create_directories(path("models"));
  EXPECT_THAT(tessera(words).err, HasSubstr("must be an IPv4 or IPv6 address"));
  fs::copy_file(packed_executable(), put("tiny/2"));
  std::ofstream(put("bad/7")) << "no executable";
  const Result result = tessera(words);
  EXPECT_THAT(result.out, HasSubstr("serving tiny version 2"));
  EXPECT_THAT(result.err, HasSubstr("tessera: warning: bad version 7 is not served: "));
  EXPECT_THAT(result.err, HasSubstr("bad/7/model.popef: "));
}

TEST(Serve, takes_only_what_a_required_key_signed) {
  ASSERT_EQ(tessera({"keygen", "--no_password", "--secret_key", path("serve.key"), "--public_key",
                     path("serve.pub")})
                .exit_code,
            0);
  const Result result = tessera({"serve", "tiny=" + packed_executable(), "--http_port", "0",
                                 "--require_signature", path("serve.pub")});
  EXPECT_EQ(result.exit_code, 5) << result.err;
  EXPECT_THAT(result.err, HasSubstr("has no signature"));
}

}  // namespace
}  // namespace tessera::cli

// SPDX-License-Identifier: Apache-2.0
#include "bench/speed/peer.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

namespace tessera::speed {

using Json = nlohmann::json;

struct Peer::Process {
  pid_t pid = -1;
  FILE* to = nullptr;
  FILE* from = nullptr;

  ~Process() {
    if (to != nullptr) std::fclose(to);  // the peer ends when nothing more can come
    if (from != nullptr) std::fclose(from);
    if (pid > 0) ::waitpid(pid, nullptr, 0);
  }

  Expected<Json> answer() {
    char* line = nullptr;
    size_t room = 0;
    const bool ended = ::getline(&line, &room, from) < 0;
    const std::unique_ptr<char, decltype(&std::free)> owner(line, &std::free);
    if (ended) return Error{"the peer ended without an answer"};
    Json json = Json::parse(line, nullptr, false);
    if (json.is_discarded()) return Error{std::string("the peer answered ") + line};
    if (json.contains("error")) return Error{json["error"].get<std::string>()};
    return json;
  }

  Expected<Json> ask(const Json& question) {
    if (std::fputs((question.dump() + "\n").c_str(), to) < 0 || std::fflush(to) != 0)
      return Error{"the peer does not listen any more"};
    return answer();
  }
};

Peer::Peer() : process_(std::make_unique<Process>()) {}
Peer::~Peer() = default;

Expected<std::unique_ptr<Peer>> Peer::start(const std::vector<std::string>& command) {
  ::signal(SIGPIPE, SIG_IGN);  // a peer that is gone is an error to report
  int down[2], up[2];
  if (::pipe2(down, O_CLOEXEC) != 0 || ::pipe2(up, O_CLOEXEC) != 0)
    return Error{command[0] + ": no pipe to it can be made"};
  std::unique_ptr<Peer> peer(new Peer);
  peer->process_->to = ::fdopen(down[1], "w");
  peer->process_->from = ::fdopen(up[0], "r");
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(down[0], STDIN_FILENO);
    ::dup2(up[1], STDOUT_FILENO);
    ::execvp(words[0], words.data());
    ::dprintf(STDOUT_FILENO, "{\"error\":\"%s is not installed\"}\n", words[0]);
    ::_exit(1);
  }
  ::close(down[0]);
  ::close(up[1]);
  if (pid < 0) return Error{command[0] + ": no process can be started for it"};
  peer->process_->pid = pid;
  const Json ready = TRY(peer->process_->answer());
  peer->version_ = ready.value("version", "?");
  peer->create_seconds_ = ready.value("create_seconds", 0.0);
  return peer;
}

Expected<std::vector<double>> Peer::run(const std::vector<PeerBatch>& batches) {
  Json question = {
      {"run", Json::array()}
  };
  for (const PeerBatch& batch : batches)
    question["run"].push_back({
        {"length",  batch.length },
        {"lengths", batch.lengths}
    });
  const Json answer = TRY(process_->ask(question));
  return answer.at("seconds").get<std::vector<double>>();
}

Expected<double> Peer::peak_resident_mib() {
  const Json answer = TRY(process_->ask({
      {"peak_resident", true}
  }));
  return answer.at("peak_resident_mib").get<double>();
}

}  // namespace tessera::speed

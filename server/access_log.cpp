// SPDX-License-Identifier: Apache-2.0
#include "server/access_log.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "support/file.h"
#include "support/guard.h"

namespace tessera::server {
namespace {

constexpr size_t kMostWaiting = 8 << 20;

void write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(file, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;  // a full disk loses lines and stops nothing
    text.remove_prefix(static_cast<size_t>(count));
  }
}

}  // namespace

std::string to_json_line(const AccessLine& line, std::chrono::system_clock::time_point at) {
  using std::chrono::microseconds;
  const auto us = std::chrono::duration_cast<microseconds>(at.time_since_epoch()).count();
  nlohmann::ordered_json json;
  json["time"] = fmt::format("{:%FT%T}.{:06}Z",
                             fmt::gmtime(std::chrono::system_clock::to_time_t(at)), us % 1'000'000);
  json["protocol"] = line.protocol;
  json["method"] = line.method;
  const auto optional = [&](const char* name, const std::string& text) {
    if (!text.empty()) json[name] = text;
  };
  optional("target", line.target);
  optional("peer", line.peer);
  optional("model", line.model);
  optional("version", line.version);
  optional("id", line.id);
  json["status"] = line.status;
  optional("error", line.error);
  if (line.rows > 0) json["rows"] = line.rows;
  json["bytes_in"] = line.bytes_in;
  json["bytes_out"] = line.bytes_out;
  json["us"] = std::chrono::duration_cast<microseconds>(line.took).count();
  return json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

Expected<std::unique_ptr<AccessLog>> AccessLog::open(const std::string& path) {
  std::unique_ptr<AccessLog> log(new AccessLog);
  log->file_.reset(path == "-"
                       ? ::dup(STDOUT_FILENO)
                       : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log->file_.is_open()) return system_error(path, "cannot be opened");
  log->thread_ = TRY(start_thread("access log", [self = log.get()] { self->work(); }));
  return log;
}

AccessLog::~AccessLog() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  came_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void AccessLog::write(const AccessLine& line) {
  const std::string text = to_json_line(line, std::chrono::system_clock::now());
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() + text.size() > kMostWaiting) {
      ++dropped_;
      return;
    }
    waiting_ += text;
  }
  came_.notify_one();
}

uint64_t AccessLog::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

void AccessLog::work() {
  std::unique_lock lock(mutex_);
  for (std::string lines;;) {
    came_.wait(lock, [this] { return ends_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    lines.clear();
    lines.swap(waiting_);
    lock.unlock();
    write_all(file_.get(), lines);
    lock.lock();
  }
}

}  // namespace tessera::server

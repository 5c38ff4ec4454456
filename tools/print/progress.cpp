// SPDX-License-Identifier: Apache-2.0
#include "tools/print/progress.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "support/clock.h"
#include "support/human.h"
#include "tools/print/print.h"
#include "tools/print/terminal.h"

namespace tessera::tools {
namespace {

ProgressKind chosen = ProgressKind::None;

ProgressKind kind_of_stderr() {
  if (!isatty(STDERR_FILENO)) return ProgressKind::None;
  return obeys_escapes(STDERR_FILENO) ? ProgressKind::Bar : ProgressKind::Plain;
}

size_t columns() { return static_cast<size_t>(terminal_columns(STDERR_FILENO)); }

}  // namespace

Expected<ProgressKind> parse_progress(std::string_view word) {
  if (word == "auto") return kind_of_stderr();
  if (word == "none") return ProgressKind::None;
  if (word == "plain") return ProgressKind::Plain;
  if (word == "bar") return ProgressKind::Bar;
  if (word == "json") return ProgressKind::Json;
  return Error{
      fmt::format("--progress: '{}', must be auto, none, plain, bar or json", std::string(word)),
      ErrorKind::Usage};
}

void set_progress(ProgressKind kind) { chosen = kind; }

// The state and, of a bar, the thread that shows it.
class Progress::Line {
 public:
  Line(ProgressKind kind, std::string what)
      : kind_(kind), what_(std::move(what)), start_(now_seconds()) {
    if (kind_ == ProgressKind::Bar) ticker_ = std::thread([this] { tick(); });
  }

  ~Line() {
    if (!ticker_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    wake_.notify_one();
    ticker_.join();
    write_status("");
  }

  void step(const std::string& now, int64_t done, int64_t all) {
    const std::lock_guard lock(mutex_);
    const bool is_new = now != now_;
    now_ = now;
    done_ = done;
    all_ = all;
    const double between = kind_ == ProgressKind::Bar ? 0.1 : 1;
    if (is_new || now_seconds() - shown_ >= between) show();
  }

 private:
  void tick() {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, std::chrono::milliseconds(250), [&] { return ended_; })) show();
  }

  void show() {
    if (now_.empty()) return;
    shown_ = now_seconds();
    switch (kind_) {
      case ProgressKind::None: return;
      case ProgressKind::Plain: print_error("{}\n", text()); break;
      // The last column stays free: a terminal that wraps there would keep the line.
      case ProgressKind::Bar: write_status(cut_to_width(visible(text()), columns() - 1)); return;
      case ProgressKind::Json: print_error("{}\n", Lines{json()}); break;
    }
    std::fflush(stderr);
  }

  std::string text() const {
    const double seconds = now_seconds() - start_;
    std::string line = fmt::format("{}: {}", what_, now_);
    if (all_ > 0) line += fmt::format(" {} of {}", human_count(done_), human_count(all_));
    line += fmt::format(" … {:.1f} s", seconds);
    if (done_ > 0 && done_ < all_)
      line += fmt::format(", {} to go", human_seconds(seconds * static_cast<double>(all_ - done_) /
                                                      static_cast<double>(done_)));
    return line;
  }

  std::string json() const {
    nlohmann::ordered_json json = {
        {"what",    what_                 },
        {"now",     now_                  },
        {"seconds", now_seconds() - start_}
    };
    if (all_ > 0) {
      json["done"] = done_;
      json["all"] = all_;
    }
    return json.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
  }

  // Whole characters of UTF-8, each taken for one column wide.
  static std::string cut_to_width(const std::string& text, size_t width) {
    size_t shown = 0, end = 0;
    for (; end < text.size(); ++end) {
      const bool begins = (static_cast<unsigned char>(text[end]) & 0xc0) != 0x80;
      if (begins && ++shown > width) break;
    }
    return text.substr(0, end);
  }

  const ProgressKind kind_;
  const std::string what_;
  const double start_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::string now_;
  int64_t done_ = 0, all_ = 0;
  double shown_ = 0;  // when show was last called
  bool ended_ = false;
  std::thread ticker_;
};

Progress::Progress(std::string what) {
  if (chosen != ProgressKind::None) line_ = std::make_unique<Line>(chosen, std::move(what));
}

Progress::~Progress() = default;

void Progress::step(const std::string& now) { step(now, 0, 0); }

void Progress::step(const std::string& now, int64_t done, int64_t all) {
  if (line_) line_->step(now, done, all);
}

}  // namespace tessera::tools

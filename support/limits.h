// SPDX-License-Identifier: Apache-2.0
// Budgets for untrusted input: a model, an executable, a log. Whatever a stranger's file can make
// large is bounded by one of these, and the bound is checked before the cost is paid. The rows are
// in limits.def.
//
// Plain data; share freely between threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "support/expected.h"

namespace tessera {

struct Limits {
#define LIMIT(name, unit, value, help) int64_t name = value;
#include "support/limits.def"
#undef LIMIT
  // Not a budget: folders in which a model's external data may lie, beside its own
  // (compiler/onnx/contained_file.h).
  std::vector<std::string> trusted_folders = {};
};

enum class LimitUnit : uint8_t { Seconds, Bytes, Count };

struct LimitRow {
  std::string_view name;
  LimitUnit unit;
  int64_t Limits::* field;
  int64_t value;  // the default
  std::string_view help;
};
// The rows of limits.def, in its order.
const std::vector<LimitRow>& limit_rows();

// "time=60 memory=4GiB": words NAME=VALUE over the defaults. A value is a positive whole number, in
// bytes optionally followed by KiB, MiB, GiB or TiB, in seconds optionally by s, m or h. Usage
// errors name the word and what it must be, and begin with `where`.
Expected<Limits> parse_limits(const std::vector<std::string>& words,
                              std::string_view where = "--limit");
// "600 s", "16 GiB", "1,000,000": what parse_limits reads, with digits grouped.
std::string to_string(LimitUnit unit, int64_t value);

// "WHERE: needs nodes = 1,200,000, must be at most 1,000,000 (--limit nodes=VALUE raises it)", a
// Refused error of type "limit" where `asked` is above the limit.
Status check_limit(const Limits& limits, int64_t Limits::* field, int64_t asked,
                   std::string_view where);

// The sum that was asked for of one limit so far. Where it would pass the limit, `spend` returns
// check_limit's Refused error.
class Budget {
 public:
  Budget(const Limits& limits, int64_t Limits::* field) : limits_(limits), field_(field) {}
  Status spend(int64_t asked, std::string_view where);
  int64_t spent() const { return spent_; }

 private:
  Limits limits_;
  int64_t Limits::* field_;
  int64_t spent_ = 0;
};

// When the time limit of one piece of work ends, and who is told how far it has come until then.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;
  using Tell = std::function<void(const std::string&)>;

  // `tell` may be empty. It is called from the thread that works, at most once in `between`.
  explicit Deadline(const Limits& limits, Tell tell = {},
                    Clock::duration between = std::chrono::milliseconds(250));
  bool passed() const { return Clock::now() >= end_; }
  // "WHERE: took longer than 600 s (--limit time=SECONDS raises it)", a Refused error.
  Status check(std::string_view where) const;
  // The same within a long loop, whose `all` rounds are done up to `done`: "WHERE, 12,000 of
  // 200,000".
  Status check(std::string_view where, int64_t done, int64_t all) const;

 private:
  int64_t seconds_;
  Clock::time_point end_;
  Tell tell_;
  Clock::duration between_;
  mutable Clock::time_point told_;
};

}  // namespace tessera

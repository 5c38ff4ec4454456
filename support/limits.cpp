// SPDX-License-Identifier: Apache-2.0
#include "support/limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace tessera {
namespace {

struct Suffix {
  LimitUnit unit;
  std::string_view text;
  int64_t factor;
};
constexpr Suffix kSuffixes[] = {
    {LimitUnit::Bytes,   "KiB", int64_t{1} << 10},
    {LimitUnit::Bytes,   "MiB", int64_t{1} << 20},
    {LimitUnit::Bytes,   "GiB", int64_t{1} << 30},
    {LimitUnit::Bytes,   "TiB", int64_t{1} << 40},
    {LimitUnit::Seconds, "s",   1               },
    {LimitUnit::Seconds, "m",   60              },
    {LimitUnit::Seconds, "h",   3600            },
};
// No limit is larger, so that a deadline can be computed and sums of two do not overflow.
constexpr int64_t kMostSeconds = 366 * 24 * 3600;
constexpr int64_t kMost = int64_t{1} << 60;

std::string_view takes(LimitUnit unit) {
  switch (unit) {
    case LimitUnit::Seconds: return "a positive whole number of seconds (s, m and h may follow)";
    case LimitUnit::Bytes:
      return "a positive whole number of bytes (KiB, MiB, GiB or TiB may follow)";
    case LimitUnit::Count: return "a positive whole number";
  }
  return "";
}

Expected<int64_t> parse_value(const LimitRow& row, std::string_view text, std::string_view where) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view rest = text.substr(static_cast<size_t>(end - text.data()));
  int64_t factor = rest.empty() ? 1 : 0;
  for (const Suffix& suffix : kSuffixes) {
    if (suffix.unit == row.unit && suffix.text == rest) factor = suffix.factor;
  }
  const int64_t most = row.unit == LimitUnit::Seconds ? kMostSeconds : kMost;
  if (error == std::errc() && factor > 0 && value > 0 && value <= most / factor)
    return value * factor;
  return Error{fmt::format("{} {}: '{}', must be {}, at most {}", where, row.name, text,
                           takes(row.unit), to_string(row.unit, most)),
               ErrorKind::Usage};
}

std::string grouped(int64_t value) {
  std::string digits = std::to_string(value);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

const LimitRow& row_of(int64_t Limits::* field) {
  return *std::ranges::find(limit_rows(), field, &LimitRow::field);
}

}  // namespace

const std::vector<LimitRow>& limit_rows() {
  static const std::vector<LimitRow> rows = {
#define LIMIT(name, unit, value, help) {#name, LimitUnit::unit, &Limits::name, value, help},
#include "support/limits.def"
#undef LIMIT
  };
  return rows;
}

Expected<Limits> parse_limits(const std::vector<std::string>& words, std::string_view where) {
  Limits limits;
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    const auto row =
        std::ranges::find(limit_rows(), std::string_view(word).substr(0, equals), &LimitRow::name);
    if (equals == std::string::npos || row == limit_rows().end()) {
      std::string names;
      for (const LimitRow& known : limit_rows())
        names += (names.empty() ? "" : ", ") + std::string(known.name);
      return Error{
          fmt::format("{}: '{}', must be NAME=VALUE, where NAME is one of {}", where, word, names),
          ErrorKind::Usage};
    }
    limits.*row->field = TRY(parse_value(*row, std::string_view(word).substr(equals + 1), where));
  }
  return limits;
}

std::string to_string(LimitUnit unit, int64_t value) {
  if (unit == LimitUnit::Seconds) return grouped(value) + " s";
  if (unit == LimitUnit::Count) return grouped(value);
  for (const Suffix& suffix : {kSuffixes[3], kSuffixes[2], kSuffixes[1], kSuffixes[0]}) {
    if (value >= suffix.factor && value % suffix.factor == 0)
      return fmt::format("{} {}", grouped(value / suffix.factor), suffix.text);
  }
  return grouped(value) + " bytes";
}

Status check_limit(const Limits& limits, int64_t Limits::* field, int64_t asked,
                   std::string_view where) {
  if (asked <= limits.*field) return {};
  const LimitRow& row = row_of(field);
  return Error{fmt::format("{}: needs {} = {}, must be at most {} (--limit {}=VALUE raises it)",
                           where, row.name, to_string(row.unit, asked),
                           to_string(row.unit, limits.*field), row.name),
               ErrorKind::Refused, "limit"};
}

Status Budget::spend(int64_t asked, std::string_view where) {
  spent_ = asked > kMost - spent_ ? kMost : spent_ + asked;
  return check_limit(limits_, field_, spent_, where);
}

Deadline::Deadline(const Limits& limits, Tell tell, Clock::duration between)
    : seconds_(limits.time),
      end_(Clock::now() + std::chrono::seconds(limits.time)),
      tell_(std::move(tell)),
      between_(between),
      told_(Clock::now()) {}

Status Deadline::check(std::string_view where) const {
  if (!passed()) return {};
  return Error{fmt::format("{}: took longer than {} (--limit time=SECONDS raises it)", where,
                           to_string(LimitUnit::Seconds, seconds_)),
               ErrorKind::Refused, "limit"};
}

Status Deadline::check(std::string_view where, int64_t done, int64_t all) const {
  if (const auto now = Clock::now(); tell_ && now >= told_ + between_) {
    told_ = now;
    tell_(fmt::format("{}, {} of {}", where, grouped(done), grouped(all)));
  }
  return check(where);
}

}  // namespace tessera

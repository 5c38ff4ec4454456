// SPDX-License-Identifier: Apache-2.0
#include "packing/lengths.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>
#include <string_view>
#include <utility>

#include "support/check.h"
#include "support/file.h"
#include "support/lines.h"
#include "support/npy.h"

namespace tessera {
namespace {

Error bad(const std::string& where, const std::string& what) {
  return {where + ": " + what, ErrorKind::BadFile};
}

bool in_range(int64_t length) { return length >= 1 && length <= kLongestLength; }

std::string must_be_length(const std::string& is) {
  return is + ", must be a length in 1.." + std::to_string(kLongestLength);
}

Status check_count(const std::string& path, int64_t count) {
  if (count >= 1 && count <= kMostRequests) return {};
  return bad(path, "holds " + std::to_string(count) + " lengths, must hold 1.." +
                       std::to_string(kMostRequests));
}

Expected<std::vector<int64_t>> read_npy_lengths(const std::string& path) {
  const NpyArray array = TRY(read_npy(path, kMostRequests * 8));
  const bool wide = array.descr == "<i8";
  if (array.shape.size() != 1 || (!wide && array.descr != "<i4"))
    return bad(path, "is " + array.descr + " " + to_string(array.shape) +
                         ", must be one-dimensional <i4 or <i8");
  TRY(check_count(path, array.shape[0]));
  std::vector<int64_t> lengths(static_cast<size_t>(array.shape[0]));
  for (size_t i = 0; i < lengths.size(); ++i) {
    if (wide) {
      std::memcpy(&lengths[i], array.bytes.data() + i * 8, 8);
    } else {
      int32_t narrow;
      std::memcpy(&narrow, array.bytes.data() + i * 4, 4);
      lengths[i] = narrow;
    }
    if (!in_range(lengths[i]))
      return bad(path,
                 must_be_length("[" + std::to_string(i) + "] is " + std::to_string(lengths[i])));
  }
  return lengths;
}

// Calls with each line that is not empty and its number from 1.
template <class Function>
Status for_each_full_line(const std::string& path, std::string_view text, const Function& call) {
  return for_each_line(path, text, [&](std::string_view line, size_t number) -> Status {
    return line.empty() ? Status() : call(line, number);
  });
}

std::string at_line(const std::string& path, size_t number) {
  return path + ":" + std::to_string(number);
}

Expected<std::vector<int64_t>> read_jsonl_lengths(const std::string& path) {
  const std::string text = TRY(read_text_file(path));
  std::vector<int64_t> lengths;
  TRY(for_each_full_line(path, text, [&](std::string_view line, size_t number) -> Status {
    if (const Status sound = check_json(line); !sound.ok())
      return bad(at_line(path, number), sound.error().message);
    const auto json = nlohmann::json::parse(line, nullptr, false);
    const auto length = json.find("length");
    const auto ids = json.find("input_ids");
    if (!json.is_object() || (length == json.end() && ids == json.end()))
      return bad(at_line(path, number),
                 "must be an object with a \"length\" or a list of \"input_ids\"");
    int64_t value = 0;
    if (length != json.end()) {
      if (length->is_number_integer()) value = length->get<int64_t>();
    } else if (ids->is_array()) {
      value = static_cast<int64_t>(ids->size());
    }
    if (!in_range(value))
      return bad(at_line(path, number),
                 must_be_length(length != json.end()
                                    ? "\"length\" is " + length->dump()
                                    : "\"input_ids\" holds " + std::to_string(value) + " items"));
    lengths.push_back(value);
    return {};
  }));
  TRY(check_count(path, std::ssize(lengths)));
  return lengths;
}

// "12,345" as two numbers.
bool parse_pair(std::string_view line, int64_t& a, int64_t& b) {
  const char* end = line.data() + line.size();
  const auto first = std::from_chars(line.data(), end, a);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != ',') return false;
  const auto second = std::from_chars(first.ptr + 1, end, b);
  return second.ec == std::errc() && second.ptr == end;
}

}  // namespace

Expected<std::vector<int64_t>> read_lengths(const std::string& path) {
  if (path.ends_with(".npy")) return read_npy_lengths(path);
  if (path.ends_with(".jsonl")) return read_jsonl_lengths(path);
  return bad(
      path,
      "must be a list of lengths (.npy or .jsonl), a histogram (.csv) or a folder of requests");
}

Expected<LengthHistogram> read_histogram_csv(const std::string& path) {
  const std::string text = TRY(read_text_file(path));
  LengthHistogram histogram;
  std::vector<bool> given;
  int64_t tokens = 0;
  bool header = true;
  TRY(for_each_full_line(path, text, [&](std::string_view line, size_t number) -> Status {
    const std::string where = at_line(path, number);
    if (std::exchange(header, false)) {
      if (line == "length,count") return {};
      return bad(where, "must be the header 'length,count'");
    }
    int64_t length = 0, count = 0;
    if (!parse_pair(line, length, count))
      return bad(where, "must be two whole numbers: LENGTH,COUNT");
    if (!in_range(length)) return bad(where, must_be_length(std::to_string(length)));
    const auto at = static_cast<size_t>(length);
    if (histogram.counts.size() <= at) {
      histogram.counts.resize(at + 1);
      given.resize(at + 1);
    }
    if (given[at])
      return bad(where, "length " + std::to_string(length) + " comes twice, must come once");
    if (count < 0 || count > ((int64_t{1} << 53) - tokens) / length)
      return bad(where, "count is " + std::to_string(count) +
                            ", must be >= 0 and make at most 2^53 tokens in all");
    given[at] = true;
    histogram.counts[at] = count;
    tokens += count * length;
    return {};
  }));
  if (tokens == 0) return bad(path, "counts no requests, must count at least one");
  return histogram;
}

std::vector<int64_t> draw_lengths(const LengthHistogram& histogram, int64_t count, uint64_t seed) {
  std::vector<uint64_t> up_to;  // requests of a length <= n
  uint64_t requests = 0;
  for (const int64_t of_length : histogram.counts)
    up_to.push_back(requests += static_cast<uint64_t>(of_length));
  CHECK(requests > 0);
  std::mt19937_64 random(seed);
  // The remainder of a number below the largest multiple of `requests` favours none.
  const uint64_t limit = UINT64_MAX - UINT64_MAX % requests;
  std::vector<int64_t> lengths;
  while (std::ssize(lengths) < count) {
    const uint64_t drawn = random();
    if (drawn >= limit) continue;
    lengths.push_back(std::upper_bound(up_to.begin(), up_to.end(), drawn % requests) -
                      up_to.begin());
  }
  return lengths;
}

}  // namespace tessera

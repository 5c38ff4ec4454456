// SPDX-License-Identifier: Apache-2.0
// Measured figures, beside what they must be.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace tessera::speed {

// A spread over rounds. A machine that others use drifts by more than most differences that matter,
// so a figure is a ratio within one round, and its spread over the rounds stands beside it.
struct Spread {
  double median = 0, low = 0, high = 0;
};
Spread spread_of(std::vector<double> values);  // at least one
// Round by round a / b.
Spread ratio(const std::vector<double>& a, const std::vector<double>& b);
Spread scaled(Spread spread, double factor);

enum class Bound { AtLeast, AtMost };

struct Row {
  std::string section, what;
  std::string unit;            // "x", "%", "s", "us", "MiB"; behind the number
  std::optional<Spread> is;    // nothing: left out, and `note` says why
  std::optional<double> goal;  // nothing: for information
  Bound bound = Bound::AtLeast;
  std::string note;  // what stands behind the figure
};
// "holds", "misses", "left out" or "".
std::string verdict(const Row& row);

class Table {
 public:
  void add(Row row);
  void leave_out(const std::string& section, const std::string& what, const std::string& why);
  const std::vector<Row>& rows() const { return rows_; }
  std::string text(size_t first = 0) const;  // from that row on
  nlohmann::ordered_json json() const;

 private:
  std::vector<Row> rows_;
};

}  // namespace tessera::speed

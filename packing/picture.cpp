// SPDX-License-Identifier: Apache-2.0
#include "packing/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "support/check.h"
#include "support/math.h"

namespace tessera {
namespace {

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
// Colours of a terminal's 256: light enough for black letters, neighbours far apart.
constexpr std::array kColours = {117, 222, 151, 218, 189, 209, 158, 183, 186, 110, 216, 153};

// The owner of most cells: a placement's index, or -1 for free cells. The first of equals.
int32_t majority(std::span<const int32_t> owners) {
  int32_t best = owners[0];
  int64_t most = 0;
  for (size_t i = 0; i < owners.size();) {
    size_t end = i + 1;
    while (end < owners.size() && owners[end] == owners[i]) ++end;
    const auto run = static_cast<int64_t>(end - i);
    if (run > most) {
      most = run;
      best = owners[i];
    }
    i = end;
  }
  return best;
}

void append_cell(std::string& line, int32_t owner, bool colour) {
  if (owner < 0) {
    line += '.';
    return;
  }
  const auto index = static_cast<size_t>(owner);
  const char letter = kLetters[index % kLetters.size()];
  if (colour)
    line += fmt::format("\033[30;48;5;{}m{}\033[0m", kColours[index % kColours.size()], letter);
  else
    line += letter;
}

}  // namespace

std::string draw_batch(const PackingContract& contract, const PackedBatch& batch,
                       const PictureOptions& options) {
  CHECK(options.width >= 1 && contract.row_length >= 1);
  const int64_t rows = std::min(contract.rows, kMostRowsDrawn);
  const int64_t drawn = rows * contract.row_length;
  std::vector<int32_t> owners(static_cast<size_t>(drawn), -1);
  int64_t behind = 0;
  for (size_t i = 0; i < batch.placements.size(); ++i) {
    const int64_t begin = batch.placements[i].start, end = begin + batch.placements[i].length;
    std::fill(owners.begin() + std::min(begin, drawn), owners.begin() + std::min(end, drawn),
              static_cast<int32_t>(i));
    behind += end - std::clamp(drawn, begin, end);
  }

  const int64_t step = ceil_div(contract.row_length, options.width);
  const int row_digits = static_cast<int>(std::to_string(rows - 1).size());
  const int token_digits = static_cast<int>(std::to_string(contract.row_length).size());
  std::string text;
  for (int64_t row = 0; row < rows; ++row) {
    const auto cells = std::span<const int32_t>(owners).subspan(
        static_cast<size_t>(row * contract.row_length), static_cast<size_t>(contract.row_length));
    text += fmt::format("row {:>{}} |", row, row_digits);
    for (int64_t at = 0; at < contract.row_length; at += step)
      append_cell(
          text,
          majority(cells.subspan(static_cast<size_t>(at),
                                 static_cast<size_t>(std::min(step, contract.row_length - at)))),
          options.colour);
    int64_t requests = 0;
    for (size_t i = 0; i < cells.size(); ++i)
      requests += cells[i] >= 0 && (i == 0 || cells[i] != cells[i - 1]);
    const auto used = std::count_if(cells.begin(), cells.end(), [](int32_t x) { return x >= 0; });
    text += fmt::format("| {:>2} {} {:>{}} of {} tokens\n", requests,
                        requests == 1 ? "request, " : "requests,", used, token_digits,
                        contract.row_length);
  }
  if (rows < contract.rows)
    text += fmt::format("{} more rows are not drawn: {} of {} tokens\n", contract.rows - rows,
                        behind, (contract.rows - rows) * contract.row_length);
  return text;
}

}  // namespace tessera

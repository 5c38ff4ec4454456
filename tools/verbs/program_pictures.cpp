// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs/program_pictures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "support/human.h"
#include "support/math.h"
#include "support/plain_text.h"

namespace tessera::tools {
namespace {

// A terminal's 256 colours, light enough for black letters: from little to much, and past it.
constexpr std::array kHeat = {110, 116, 115, 151, 187, 186, 222, 216, 209, 203};
constexpr int kPast = 197;

struct Part {
  char letter;
  const char* name;
  int colour;
};
constexpr std::array<Part, 4> kTimes = {
    {{'s', "sync", 250}, {'r', "rearrange", 183}, {'e', "exchange", 117}, {'c', "compute", 151}}
};
constexpr std::array<Part, 5> kBytes = {
    {{'a', "always live", 250},
     {'v', "variables", 151},
     {'r', "receive buffers", 117},
     {'t', "temporaries", 222},
     {'g', "gaps", 183}}
};

// Letters, each with a colour or without one (-1); neighbours of one colour share an escape.
class Cells {
 public:
  explicit Cells(bool colour) : colour_(colour) {}
  void add(char letter, int colour, int64_t count = 1) {
    if (count <= 0) return;
    set(colour);
    text_.append(static_cast<size_t>(count), letter);
  }
  std::string take() {
    set(-1);
    return std::move(text_);
  }

 private:
  void set(int colour) {
    if (colour_ && colour != last_)
      text_ += colour < 0 ? "\033[0m" : fmt::format("\033[30;48;5;{}m", colour);
    last_ = colour;
  }
  bool colour_;
  int last_ = -1;
  std::string text_;
};

std::string legend(std::span<const Part> parts, bool colour) {
  std::string text;
  for (const Part& part : parts) {
    Cells cells(colour);
    cells.add(part.letter, part.colour);
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", cells.take(), part.name);
  }
  return text;
}

int64_t characters(std::string_view utf8) {
  return std::ranges::count_if(utf8, [](char c) { return (c & 0xc0) != 0x80; });
}

// The end of a name, where it is too long: that is where names differ.
std::string shortened(const std::string& foreign, int64_t most) {
  std::string text = visible(foreign);
  if (characters(text) <= most) return text;
  size_t begin = 0;
  for (int64_t left = characters(text); left >= most && begin < text.size();) {
    ++begin;
    while (begin < text.size() && (text[begin] & 0xc0) == 0x80) ++begin;
    --left;
  }
  return "…" + text.substr(begin);
}

double of(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

void add_level(Cells& cells, int64_t value, int64_t most) {
  if (value == 0) return cells.add('.', -1);
  if (value > most) return cells.add('#', kPast);
  const auto level = std::min<size_t>(9, static_cast<size_t>(10 * of(value, most)));
  cells.add(static_cast<char>('0' + level), kHeat[level]);
}

using Times = std::array<int64_t, kTimes.size()>;
Times times_of(const SuperstepCost& cost) {
  Times times{};
  for (size_t i = 0; const Cycles part : {cost.sync, cost.rearrange, cost.exchange, cost.compute})
    times[i++] = static_cast<int64_t>(part.value);
  return times;
}
int64_t sum(const Times& times) { return std::accumulate(times.begin(), times.end(), int64_t{0}); }

class Bars {
 public:
  Bars(const Profiled& is, const PictureStyle& style)
      : is_(is),
        colour_(style.colour),
        bar_((style.columns - kBeside) * 3 / 5),
        name_(style.columns - kBeside - bar_) {
    for (const SuperstepCost& cost : is.cost.steps) {
      all_.push_back(times_of(cost));
      total_ += sum(all_.back());
      longest_ = std::max(longest_, sum(all_.back()));
    }
  }

  std::string draw() {
    text_ = fmt::format("{} supersteps, {} cycles\n{}\n", all_.size(), human_count(total_),
                        legend(kTimes, colour_));
    const std::vector<bool> chosen = longest();
    for (size_t i = 0; i < all_.size();) {
      if (chosen[i]) {
        add_line(std::to_string(i), shortened(is_.program.supersteps[i].name, name_), all_[i],
                 bar(all_[i]));
        ++i;
        continue;
      }
      const size_t first = i;
      Times together{};
      for (; i < all_.size() && !chosen[i]; ++i)
        for (size_t part = 0; part < together.size(); ++part) together[part] += all_[i][part];
      add_line("", fmt::format("… {} shorter", i - first), together, "");
    }
    return std::move(text_);
  }

 private:
  static constexpr int64_t kBeside = 25;   // columns of numbers
  static constexpr size_t kMostBars = 24;  // so that a screen holds them

  std::vector<bool> longest() const {
    std::vector<size_t> order(all_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::ranges::stable_sort(order, std::greater<>(), [&](size_t i) { return sum(all_[i]); });
    std::vector<bool> chosen(all_.size(), false);
    for (size_t k = 0; k < std::min(kMostBars, order.size()); ++k) chosen[order[k]] = true;
    return chosen;
  }
  // Each part ends where the sum up to it does, so that parts that are too short for a letter do
  // not shift the others.
  std::string bar(const Times& times) const {
    Cells cells(colour_);
    int64_t drawn = 0, cycles = 0;
    for (size_t part = 0; part < times.size(); ++part) {
      cycles += times[part];
      const auto end = static_cast<int64_t>(static_cast<double>(bar_) * of(cycles, longest_) + 0.5);
      cells.add(kTimes[part].letter, kTimes[part].colour, end - drawn);
      drawn = end;
    }
    cells.add(' ', -1, bar_ - drawn);
    return cells.take();
  }
  void add_line(const std::string& number, const std::string& name, const Times& times,
                const std::string& bar) {
    text_ += fmt::format("{:>5} {:<{}} {}{:>11} {:>5.1f}%\n", number, name, name_,
                         bar.empty() ? std::string(static_cast<size_t>(bar_), ' ') : bar,
                         human_count(sum(times)), 100 * of(sum(times), total_));
  }

  const Profiled& is_;
  const bool colour_;
  const int64_t bar_, name_;
  std::vector<Times> all_;
  int64_t total_ = 0, longest_ = 0;
  std::string text_;
};

using Layers = std::array<int64_t, kBytes.size()>;
Layers layers_of(const MemoryUse& use) {
  return {use.always_live(), use.variables, use.receive_buffers, use.temporaries, use.gaps};
}

class MemoryChart {
 public:
  MemoryChart(const std::vector<MemoryUse>& uses, const PictureStyle& style)
      : colour_(style.colour) {
    const int64_t steps = std::ssize(uses), most = style.columns - kLabel;
    const int64_t step = ceil_div(steps, most);
    for (int64_t first = 0; first < steps; first += step) {
      const auto begin = uses.begin() + first;
      const auto end = begin + std::min(step, steps - first);
      const auto largest = std::max_element(
          begin, end, [](const auto& a, const auto& b) { return a.total() < b.total(); });
      columns_.push_back(layers_of(*largest));
      if (largest->total() > peak_) {
        peak_ = largest->total();
        peak_column_ = std::ssize(columns_) - 1;
      }
    }
    wide_ = std::max<int64_t>(1, most / std::max<int64_t>(1, std::ssize(columns_)));
  }

  std::string draw(const std::string& peak_name) const {
    std::string text;
    for (int64_t row = kHigh - 1; row >= 0; --row) {
      Cells cells(colour_);
      size_t last = columns_.size();
      while (last > 0 && part_at(columns_[last - 1], row) == nullptr) --last;
      for (size_t i = 0; i < last; ++i) {
        const Part* part = part_at(columns_[i], row);
        cells.add(part ? part->letter : ' ', part ? part->colour : -1, wide_);
      }
      const bool labelled = row == kHigh - 1 || row == kHigh / 2;
      text += fmt::format("{:>11} |{}\n", labelled ? human_count(peak_ * (row + 1) / kHigh) : "",
                          cells.take());
    }
    const auto at = static_cast<size_t>(kLabel + peak_column_ * wide_);
    const int64_t before = characters(peak_name) + 1;
    if (static_cast<int64_t>(at) >= before + kLabel)
      return text + std::string(at - static_cast<size_t>(before), ' ') + peak_name + " ^\n";
    return text + std::string(at, ' ') + "^ " + peak_name + "\n";
  }

 private:
  static constexpr int64_t kLabel = 13, kHigh = 12;

  // The part at the middle of a cell; none above all that the column holds.
  const Part* part_at(const Layers& layers, int64_t row) const {
    const double middle =
        (static_cast<double>(row) + 0.5) / static_cast<double>(kHigh) * static_cast<double>(peak_);
    double below = 0;
    for (size_t i = 0; i < layers.size(); ++i) {
      below += static_cast<double>(layers[i]);
      if (middle < below) return &kBytes[i];
    }
    return nullptr;
  }

  const bool colour_;
  std::vector<Layers> columns_;
  int64_t peak_ = 0, peak_column_ = 0;
  int64_t wide_ = 1;  // characters of a column
};

}  // namespace

std::string draw_tiles(std::span<const int64_t> values, int64_t most, const PictureStyle& style) {
  constexpr int64_t kMostLines = 32, kLabel = 9;
  const int64_t tiles = std::ssize(values);
  const int64_t cells_in_line = std::clamp<int64_t>((style.columns - kLabel) / 16 * 16, 16, 128);
  const int64_t each = (tiles + cells_in_line * kMostLines - 1) / (cells_in_line * kMostLines);
  std::string text;
  for (int64_t first = 0; first < tiles; first += cells_in_line * each) {
    Cells cells(style.colour);
    const int64_t end = std::min(tiles, first + cells_in_line * each);
    for (int64_t tile = first; tile < end; tile += each) {
      const auto some = values.subspan(static_cast<size_t>(tile),
                                       static_cast<size_t>(std::min(each, end - tile)));
      add_level(cells, *std::ranges::max_element(some), most);
    }
    text += fmt::format("{:>6} |{}|\n", first, cells.take());
  }
  if (each > 1) text += fmt::format("a digit is the fullest of {} tiles\n", each);
  return text;
}

std::string draw_tile_bytes(const Profiled& is, const PictureStyle& style) {
  const std::vector<int64_t>& peaks = is.memory.peak_by_tile;
  const int64_t room = is.program.target.bytes_per_tile, most = peaks[is.memory.fullest.value];
  return fmt::format("{} tiles in tenths of {}; 9 is 90 % and more, # too much, . none\n",
                     human_count(std::ssize(peaks)), human_bytes(room)) +
         draw_tiles(peaks, room, style) +
         fmt::format("fullest: tile {}, {} bytes ({:.0f} %)\n", is.memory.fullest.value,
                     human_count(most), 100 * of(most, room));
}

std::string draw_tile_cycles(const Profiled& is, size_t superstep, const PictureStyle& style) {
  std::vector<int64_t> cycles;
  for (const TileCycles& tile : cycles_by_tile(is.program, is.program.supersteps[superstep]))
    cycles.push_back(static_cast<int64_t>(tile.compute.value));
  const int64_t most = *std::ranges::max_element(cycles);
  return fmt::format("{} tiles in tenths of {} cycles of compute; . does nothing\n",
                     human_count(std::ssize(cycles)), human_count(most)) +
         draw_tiles(cycles, most, style);
}

std::string draw_supersteps(const Profiled& is, const PictureStyle& style) {
  return Bars(is, style).draw();
}

std::string draw_memory(const Profiled& is, const PictureStyle& style) {
  const int64_t peak = is.memory.peak_by_tile[is.memory.fullest.value];
  return fmt::format(
             "tile {}, the fullest, over {} supersteps; {:.0f} % of a tile at its peak\n{}\n",
             is.memory.fullest.value, is.program.supersteps.size(),
             100 * of(peak, is.program.target.bytes_per_tile), legend(kBytes, style.colour)) +
         MemoryChart(is.memory.fullest_by_superstep, style)
             .draw(shortened(is.memory.peak_superstep, style.columns / 2 - 8));
}

}  // namespace tessera::tools

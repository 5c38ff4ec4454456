// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "program/text.h"
#include "program/words.h"

namespace tessera {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Expected<Program> run() {
    Program program;
    const Status status = parse(program);
    if (status.ok()) return program;
    const auto line = std::count(text_.begin(), text_.begin() + static_cast<long>(last_), '\n') + 1;
    return Error{fmt::format("line {}: {}", line, status.error().message)};
  }

 private:
  Status parse(Program& program) {
    program_ = &program;
    TRY(expect("program"));
    program.name = TRY(name());
    TRY(expect("{"));
    TRY(expect("target"));
    TRY(parse_target(program.target));
    if (accept("host")) TRY(parse_host(program.host));
    while (!peek("inputs")) TRY(parse_variable());
    TRY(expect("inputs"));
    while (!peek("outputs")) program.inputs.push_back(TRY(variable()));
    TRY(expect("outputs"));
    while (!peek("step") && !peek("}")) program.outputs.push_back(TRY(variable()));
    while (accept("step")) TRY(parse_superstep());
    TRY(expect("}"));
    if (peek("")) return {};
    return wrong("the end of the text");
  }

  Status parse_target(Target& target) {
    const std::string word = TRY(name());
    if (!peek("tiles")) {
      target = TRY(target_preset(word));
      return {};
    }
    target.name = word;
    Status status;
    for_each_ipu_field(target, [&](const char* field, auto& value) {
      if (status.ok()) status = parse_field(field, value);
    });
    TRY(status);
    if (!peek("ipus")) return {};
    for_each_link_field(target, [&](const char* field, auto& value) {
      if (status.ok()) status = parse_field(field, value);
    });
    return status;
  }

  Status parse_host(HostIo& host) {
    TRY(parse_field("batches_per_step", host.batches_per_step));
    TRY(parse_field("io_tiles", host.io_tiles));
    int64_t prefetch = 0;
    TRY(parse_field("prefetch", prefetch));
    host.prefetch = prefetch != 0;
    return {};
  }

  Status parse_field(std::string_view field, int64_t& value) {
    TRY(expect(field));
    TRY(expect("="));
    value = TRY(integer());
    return {};
  }
  Status parse_field(std::string_view field, double& value) {
    TRY(expect(field));
    TRY(expect("="));
    value = TRY(real());
    return {};
  }

  Status parse_variable() {
    Variable variable;
    size_t kind = 0;
    while (kind < std::size(kKindWords) && !accept(kKindWords[kind])) ++kind;
    if (kind == std::size(kKindWords))
      return wrong("input, output, constant, activation or inputs");
    variable.kind = static_cast<VariableKind>(kind);
    variable.name = TRY(name());
    TRY(expect(":"));
    const std::string_view dtype = token();
    const auto known = parse_dtype(dtype);
    if (!known) return Error{fmt::format("'{}' stands where an element type must", dtype)};
    variable.dtype = *known;
    variable.shape = TRY(integers());
    TRY(expect("="));
    variable.mapping.view = peek("[") ? TRY(integers()) : variable.shape;
    TRY(expect("by"));
    variable.mapping.block = TRY(integers());
    variable.mapping.first = TRY(tile());
    variable.mapping.deal = TRY(deal());
    if (accept("data")) variable.constant = TRY(integer32());
    const auto id = static_cast<VariableId>(program_->variables.size());
    if (!ids_.try_emplace(variable.name, id).second)
      return Error{
          fmt::format("variable '{}' stands here once more, must be unique", variable.name)};
    program_->variables.push_back(std::move(variable));
    return {};
  }

  Status parse_superstep() {
    Superstep step;
    step.name = TRY(name());
    if (accept("stage")) step.stage = TRY(integer());
    if (accept("from"))
      while (!peek("{")) step.origin.push_back(TRY(name()));
    TRY(expect("{"));
    while (accept("send")) {
      Transfer transfer;
      transfer.region = TRY(region());
      TRY(expect("to"));
      transfer.grid = TRY(grid());
      step.exchange.push_back(std::move(transfer));
    }
    TRY(parse_compute(step.compute));
    TRY(expect("}"));
    program_->supersteps.push_back(std::move(step));
    return {};
  }

  Status parse_compute(ComputeSet& set) {
    set.codelet = TRY(name());
    TRY(expect("on"));
    set.grid = TRY(grid());
    while (!peek("read") && !peek("write") && !peek("}")) {
      Param param{TRY(name()), {}};
      TRY(expect("="));
      param.values = TRY(reals());
      set.params.push_back(std::move(param));
    }
    while (!peek("}")) {
      Operand operand;
      operand.writes = accept("write");
      if (!operand.writes) TRY(expect("read"));
      operand.region = TRY(region());
      set.operands.push_back(std::move(operand));
    }
    return {};
  }

  Expected<VertexGrid> grid() {
    VertexGrid grid;
    grid.extent = TRY(integers());
    grid.first = TRY(tile());
    grid.deal = TRY(deal());
    return grid;
  }

  Expected<Deal> deal() {
    if (!accept("deal")) return Deal{};
    Deal deal;
    deal.axis = TRY(integer32());
    TRY(expect("each"));
    deal.each = TRY(integer());
    TRY(expect("stride"));
    deal.stride = TRY(integer());
    return deal;
  }

  Expected<TileId> tile() {
    TRY(expect("at"));
    const int64_t value = TRY(integer());
    if (value >= 0 && value <= UINT32_MAX) return TileId{static_cast<uint32_t>(value)};
    return Error{fmt::format("{} stands where a tile must", value)};
  }

  Expected<Region> region() {
    Region region;
    region.variable = TRY(variable());
    region.view = program_->variables[static_cast<size_t>(region.variable)].shape;
    if (accept("as")) region.view = TRY(integers());
    TRY(expect("["));
    while (!accept("]")) {
      if (!region.dims.empty()) TRY(expect(","));
      const size_t d = region.dims.size();
      if (d == region.view.size())
        return wrong(fmt::format("] behind the {} dimensions of {}", d, to_string(region.view)));
      if (accept("*"))
        region.dims.push_back({-1, 0, 0, region.view[d]});
      else
        region.dims.push_back(TRY(region_dim()));
    }
    return region;
  }

  // offset:size, g0*step:size or offset+g0*step:size
  Expected<RegionDim> region_dim() {
    RegionDim dim;
    const bool has_offset = !peek_axis();
    if (has_offset) dim.offset = TRY(integer());
    if (!has_offset || accept("+")) {
      if (!peek_axis()) return wrong("a grid axis, as g0");
      const std::string_view digits = token().substr(1);
      if (std::from_chars(digits.begin(), digits.end(), dim.axis).ec != std::errc())
        return wrong("a smaller axis");
      TRY(expect("*"));
      dim.step = TRY(integer());
    }
    TRY(expect(":"));
    dim.size = TRY(integer());
    return dim;
  }

  bool peek_axis() {
    const std::string_view word = peek();
    return word.size() > 1 && word[0] == 'g' && is_digit(word[1]);
  }

  Expected<VariableId> variable() {
    const std::string word = TRY(name());
    const auto found = ids_.find(word);
    if (found != ids_.end()) return found->second;
    return Error{fmt::format("'{}' stands where a variable of this program must", word)};
  }

  // --- Tokens: words (which hold numbers too), quoted names, and single signs ---

  std::string_view peek() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    size_t end = at_;
    if (end < text_.size() && text_[end] == '"') {
      for (++end; end < text_.size() && text_[end] != '"'; ++end)
        if (text_[end] == '\\') ++end;
      return text_.substr(at_, end + 1 - at_);
    }
    while (end < text_.size() && is_part_of_word(end)) ++end;
    if (end == at_ && end < text_.size()) ++end;
    return text_.substr(at_, end - at_);
  }

  // A sign belongs to a number that begins with it, or that has just had its 'e'.
  bool is_part_of_word(size_t i) const {
    if (is_word_char(text_[i])) return true;
    if (text_[i] != '-' && text_[i] != '+') return false;
    if (i == at_) return text_[i] == '-';
    return text_[i - 1] == 'e' && (is_digit(text_[at_]) || text_[at_] == '-');
  }

  void consume(std::string_view word) {
    last_ = at_;
    at_ += word.size();
  }
  bool peek(std::string_view word) { return peek() == word; }
  std::string_view token() {
    const std::string_view word = peek();
    consume(word);
    return word;
  }
  bool accept(std::string_view word) {
    if (peek() != word) return false;
    consume(word);
    return true;
  }
  Status expect(std::string_view word) {
    if (accept(word)) return {};
    return wrong(fmt::format("'{}'", word));
  }
  Error wrong(std::string_view must) {
    const std::string_view word = peek();
    last_ = at_;
    return Error{fmt::format("'{}' stands where {} must", word, must)};
  }

  Expected<std::string> name() {
    const std::string_view word = peek();
    if (word.empty() || (word[0] != '"' && !is_word_char(word[0]))) return wrong("a name");
    consume(word);
    if (word[0] != '"') return std::string(word);
    if (word.size() < 2 || word.back() != '"') return Error{"a quoted name does not end, must"};
    std::string plain;
    for (size_t i = 1; i + 1 < word.size(); ++i) {
      const bool is_escaped = word[i] == '\\';
      if (is_escaped) ++i;
      if (is_escaped && word[i] == 'x' && i + 3 < word.size()) {
        unsigned code = 0;
        std::from_chars(&word[i + 1], &word[i + 3], code, 16);
        plain += static_cast<char>(code);
        i += 2;
      } else {
        plain += word[i];
      }
    }
    return plain;
  }

  template <class T>
  Expected<T> number(std::string_view what) {
    const std::string_view word = peek();
    T value{};
    const auto [end, error] = std::from_chars(word.begin(), word.end(), value);
    if (error != std::errc() || end != word.end()) return wrong(what);
    consume(word);
    return value;
  }
  Expected<int64_t> integer() { return number<int64_t>("an integer"); }
  Expected<int32_t> integer32() { return number<int32_t>("an integer of 32 bits"); }
  Expected<double> real() { return number<double>("a number"); }

  Expected<std::vector<int64_t>> integers() {
    std::vector<int64_t> list;
    TRY(expect("["));
    while (!accept("]")) {
      if (!list.empty()) TRY(expect(","));
      list.push_back(TRY(integer()));
    }
    return list;
  }

  Expected<std::vector<double>> reals() {
    if (!accept("[")) return std::vector<double>{TRY(real())};
    std::vector<double> list;
    while (!accept("]")) {
      if (!list.empty()) TRY(expect(","));
      list.push_back(TRY(real()));
    }
    return list;
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t last_ = 0;  // where the last token began
  Program* program_ = nullptr;
  std::map<std::string, VariableId, std::less<>> ids_;
};

}  // namespace

Expected<Program> parse_program(std::string_view text) { return Parser(text).run(); }

}  // namespace tessera

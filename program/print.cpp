// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "program/text.h"
#include "program/words.h"

namespace tessera {
namespace {

std::string quoted(std::string_view name) {
  bool bare = !name.empty() && !is_digit(name[0]) && name[0] != '.';
  for (char c : name) bare = bare && is_word_char(c);
  for (std::string_view keyword : kKeywords) bare = bare && name != keyword;
  if (bare) return std::string(name);
  std::string text = "\"";
  for (char c : name) {
    if (c == '"' || c == '\\')
      text += {'\\', c};
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      text += c;
  }
  return text + "\"";
}

class Printer {
 public:
  explicit Printer(const Program& program) : program_(program) {}

  std::string run() {
    text_ = fmt::format("program {} {{\n", quoted(program_.name));
    print_target();
    print_host();
    for (const Variable& variable : program_.variables) print_variable(variable);
    print_entries("inputs", program_.inputs);
    print_entries("outputs", program_.outputs);
    for (const Superstep& step : program_.supersteps) print_superstep(step);
    return text_ + "}\n";
  }

 private:
  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    text_ += "  " + fmt::format(format, std::forward<Args>(args)...) + "\n";
  }

  void print_target() {
    const auto preset = target_preset(program_.target.name);
    if (preset.ok() && *preset == program_.target)
      return line("target {}", quoted(program_.target.name));
    std::string fields;
    for_each_field(program_.target, [&fields](const char* name, auto value) {
      fields += fmt::format(" {}={}", name, value);
    });
    line("target {}{}", quoted(program_.target.name), fields);
  }

  // Nothing where all is as it is without a word.
  void print_host() {
    const HostIo& host = program_.host;
    if (host == HostIo{}) return;
    line("host batches_per_step={} io_tiles={} prefetch={}", host.batches_per_step, host.io_tiles,
         host.prefetch ? 1 : 0);
  }

  void print_variable(const Variable& variable) {
    const Mapping& mapping = variable.mapping;
    std::string view = mapping.view == variable.shape ? "" : to_string(mapping.view) + " ";
    std::string number = variable.constant == -1 ? "" : fmt::format(" data {}", variable.constant);
    line("{} {}: {}{} = {}by {} at {}{}{}", kKindWords[static_cast<size_t>(variable.kind)],
         quoted(variable.name), to_string(variable.dtype), to_string(variable.shape), view,
         to_string(mapping.block), mapping.first.value, to_text(mapping.deal), number);
  }

  void print_entries(std::string_view word, const std::vector<VariableId>& ids) {
    std::string names;
    for (VariableId id : ids) names += " " + name_of(id);
    line("{}{}", word, names);
  }

  void print_superstep(const Superstep& step) {
    std::string origin;
    for (const std::string& node : step.origin) origin += " " + quoted(node);
    const std::string stage = step.stage == 0 ? "" : fmt::format(" stage {}", step.stage);
    line("step {}{}{}{} {{", quoted(step.name), stage, origin.empty() ? "" : " from", origin);
    for (const Transfer& transfer : step.exchange)
      line("  send {} to {}", to_text(transfer.region), to_text(transfer.grid));
    std::string params;
    for (const Param& param : step.compute.params)
      params += fmt::format(" {}={}", quoted(param.name), to_text(param.values));
    line("  {} on {}{}", quoted(step.compute.codelet), to_text(step.compute.grid), params);
    for (const Operand& operand : step.compute.operands)
      line("  {} {}", operand.writes ? "write" : "read", to_text(operand.region));
    line("}}");
  }

  std::string name_of(VariableId id) const {
    return quoted(program_.variables[static_cast<size_t>(id)].name);
  }

  static std::string to_text(const VertexGrid& grid) {
    return fmt::format("{} at {}{}", to_string(grid.extent), grid.first.value, to_text(grid.deal));
  }

  static std::string to_text(const Deal& deal) {
    if (deal == Deal{}) return "";
    return fmt::format(" deal {} each {} stride {}", deal.axis, deal.each, deal.stride);
  }

  static std::string to_text(const std::vector<double>& values) {
    std::string text;
    for (double value : values) text += fmt::format("{}{}", text.empty() ? "" : ",", value);
    return values.size() == 1 ? text : "[" + text + "]";
  }

  std::string to_text(const Region& region) const {
    const Variable& variable = program_.variables[static_cast<size_t>(region.variable)];
    std::string dims;
    for (size_t d = 0; d < region.dims.size(); ++d)
      dims += (d ? ", " : "") + to_text(region.dims[d], region.view[d]);
    const std::string view = region.view == variable.shape ? "" : " as " + to_string(region.view);
    return fmt::format("{}{} [{}]", quoted(variable.name), view, dims);
  }

  static std::string to_text(const RegionDim& dim, int64_t extent) {
    if (dim.axis < 0 && dim.offset == 0 && dim.size == extent) return "*";
    std::string text;
    if (dim.axis < 0 || dim.offset != 0) text = fmt::format("{}", dim.offset);
    if (dim.axis >= 0) text += fmt::format("{}g{}*{}", text.empty() ? "" : "+", dim.axis, dim.step);
    return fmt::format("{}:{}", text, dim.size);
  }

  const Program& program_;
  std::string text_;
};

}  // namespace

std::string print(const Program& program) { return Printer(program).run(); }

}  // namespace tessera

// SPDX-License-Identifier: Apache-2.0
// Graph to text. Every number is written with as few digits as read back to the same bits; a NaN
// that is not the usual one is written as its bits, 0x….
#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>

#include "ir/text.h"
#include "support/check.h"
#include "support/elements.h"
#include "support/fp8.h"
#include "support/half.h"
#include "support/sha256.h"

namespace tessera {
namespace {

// A splat is text of one value, but the bytes that parsing it takes are bounded.
constexpr int64_t kMaxSplatBytes = int64_t{1} << 24;

bool needs_no_quotes(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '/' || c == '-';
}

std::string hex(uint32_t bits, int digits) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "0x";
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) text += kDigits[bits >> shift & 15];
  return text;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\" + hex(byte, 2).substr(1);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string name_text(std::string_view name) {
  const bool plain = !name.empty() && std::ranges::all_of(name, needs_no_quotes);
  return plain ? std::string(name) : quoted(name);
}

template <class T, class... Format>
std::string number(T value, Format... format) {
  std::array<char, 64> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format...);
  CHECK(result.ec == std::errc());
  return std::string(buffer.data(), result.ptr);
}

std::string half_text(uint16_t bits) {
  const double value = from_half(bits);
  if (std::isnan(value)) return bits == 0x7e00 ? "nan" : hex(bits, 4);
  if (value == std::trunc(value)) return number(value);
  double back = 0;
  for (int digits = 1; to_half(back) != bits; ++digits) {  // 5 tell any two halves apart
    const std::string text = number(value, std::chars_format::general, digits);
    std::from_chars(text.data(), text.data() + text.size(), back);
  }
  return number(back);
}

std::string value_text(const Tensor& tensor, int64_t i) {
  switch (tensor.type().dtype) {
    case DType::F32: {
      const auto value = load_element<float>(tensor.bytes(), i);
      const auto bits = std::bit_cast<uint32_t>(value);
      return std::isnan(value) && bits != 0x7fc00000 ? hex(bits, 8) : number(value);
    }
    case DType::F16: return half_text(load_element<uint16_t>(tensor.bytes(), i));
    case DType::I32: return number(load_element<int32_t>(tensor.bytes(), i));
    case DType::Bool: return tensor.bytes()[i] == std::byte{0} ? "0" : "1";
    case DType::I8: return number(load_element<int8_t>(tensor.bytes(), i));
    case DType::U8: return number(load_element<uint8_t>(tensor.bytes(), i));
    case DType::F143:
    case DType::F152:
      return number(from_fp8(tensor.type().dtype, load_element<uint8_t>(tensor.bytes(), i)));
  }
  return "";
}

std::string constant_text(const Tensor& tensor, const PrintOptions& options) {
  if (tensor.is_uniform() && tensor.type().bytes() <= kMaxSplatBytes)
    return "value=" + value_text(tensor, 0);
  const int64_t count = elements(tensor.type().shape);
  if (count > options.max_values) return "elided=" + quoted(to_hex(sha256(tensor.bytes())));
  std::string text = "value=[";
  for (int64_t i = 0; i < count; ++i) text += (i ? "," : "") + value_text(tensor, i);
  return text + "]";
}

std::string attr_text(const Attr& attr) {
  if (const auto* value = std::get_if<int64_t>(&attr)) return number(*value);
  if (const auto* value = std::get_if<double>(&attr)) return number(*value);
  if (const auto* value = std::get_if<std::string>(&attr)) return quoted(*value);
  return to_string(std::get<std::vector<int64_t>>(attr));
}

std::string attrs_text(const Node& node, const PrintOptions& options) {
  std::string text;
  for (const auto& [key, value] : node.attrs)
    text += (text.empty() ? "" : ", ") + key + "=" + attr_text(value);
  if (node.is(Op::Constant) && node.value.has_data()) text = constant_text(node.value, options);
  return text.empty() ? "" : " {" + text + "}";
}

std::string node_text(const Node& node, const PrintOptions& options) {
  std::string text = "  %" + name_text(node.name) + " = " + std::string(info(node.op).text);
  for (size_t i = 0; i < node.in.size(); ++i)
    text += (i ? ", %" : " %") + name_text(node.in[i]->name);
  text += attrs_text(node, options) + " : " + to_string(node.type);
  if (options.origins) {
    for (size_t i = 0; i < node.origin.size(); ++i)
      text += (i ? ", " : "  # from ") + name_text(node.origin[i]);
  }
  return text + "\n";
}

}  // namespace

std::string print(const Graph& graph, const PrintOptions& options) {
  std::string text = "graph @" + name_text(graph.name) + "(";
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const Node& input = *graph.inputs[i];
    text += (i ? ", %" : "%") + name_text(input.name) + ": " + to_string(input.type);
  }
  text += ") {\n";
  for (const auto& node : graph.nodes())
    if (!node->is(Op::Input)) text += node_text(*node, options);
  text += "  return";
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const Output& output = graph.outputs[i];
    text += (i ? ", %" : " %") + name_text(output.node->name);
    if (output.name != output.node->name) text += " as " + quoted(output.name);
  }
  return text + "\n}\n";
}

}  // namespace tessera

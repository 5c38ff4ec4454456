// SPDX-License-Identifier: Apache-2.0
// Text to Graph, in one pass and without recursion: the text may come from anyone. A value is
// defined above its uses, so each node is added, and its type inferred, as its line is read.
#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "ir/text.h"
#include "ir/verify.h"
#include "support/fp8.h"
#include "support/half.h"

namespace tessera {
namespace {

// All constants of one text: a few characters can ask for any amount.
constexpr int64_t kMaxConstantBytes = int64_t{1} << 28;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return is_letter(c) || is_digit(c) || c == '_'; }
bool is_unquoted(char c) { return is_word(c) || c == '.' || c == '/' || c == '-'; }
bool is_number(char c) { return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.'; }

template <class T>
std::optional<T> whole_number(std::string_view text, auto... format) {
  T value{};
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value, format...);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

// The bits of an element that print wrote as decimal, or as 0x… for an unusual NaN.
std::optional<uint32_t> element_bits(DType dtype, std::string_view text) {
  if (is_float(dtype) && text.starts_with("0x")) {
    const auto bits = whole_number<uint32_t>(text.substr(2), 16);
    return bits && (dtype == DType::F32 || *bits <= 0xffff) ? bits : std::nullopt;
  }
  if (dtype == DType::F32) {
    const auto value = whole_number<float>(text);
    return value ? std::optional(std::bit_cast<uint32_t>(*value)) : std::nullopt;
  }
  if (dtype == DType::F16) {
    const auto value = whole_number<double>(text);
    if (!value || (std::isfinite(*value) && !std::isfinite(from_half(to_half(*value)))))
      return std::nullopt;
    return to_half(*value);
  }
  if (is_fp8(dtype)) {
    const auto value = whole_number<double>(text);
    if (!value || std::abs(*value) > fp8_format(dtype).largest) return std::nullopt;
    return to_fp8(dtype, *value);
  }
  const auto value = whole_number<int32_t>(text);
  if (!value || (dtype == DType::Bool && *value != 0 && *value != 1)) return std::nullopt;
  if (is_byte(dtype) && (*value < least_of(dtype) || *value > greatest_of(dtype)))
    return std::nullopt;
  return static_cast<uint32_t>(*value);
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Expected<Graph> parse() {
    TRY(word("graph"));
    TRY(symbol('@'));
    graph_.name = TRY(name());
    TRY(symbol('('));
    TRY(inputs());
    TRY(symbol('{'));
    while (true) {
      skip_space();
      if (peek() != '%') break;
      TRY(statement());
    }
    TRY(returns());
    TRY(symbol('}'));
    skip_space();
    if (at_ < text_.size()) return wanted("the end of the text");
    if (Status verified = verify(graph_); !verified.ok()) return fail(verified.error().message);
    return std::move(graph_);
  }

 private:
  // The attributes that a node has between braces, before its type is known.
  struct Braces {
    std::map<std::string, Attr> attrs;
    std::optional<std::vector<std::string_view>> values;  // of a constant
    bool one_value = false;                               // written without [ ]
  };

  Error fail(const std::string& what) const {
    const std::string_view before = text_.substr(0, std::min(at_, text_.size()));
    const auto line = 1 + std::ranges::count(before, '\n');
    const size_t newline = before.rfind('\n');
    const size_t column = newline == std::string_view::npos ? at_ + 1 : at_ - newline;
    return Error{std::to_string(line) + ":" + std::to_string(column) + ": " + what};
  }
  Error wanted(const std::string& what) const {
    const std::string_view line = text_.substr(at_, text_.substr(at_).find('\n'));
    std::string found = "'" + std::string(line.substr(0, 20)) + "'";
    if (line.empty()) found = at_ == text_.size() ? "the end of the text" : "the end of the line";
    return fail("found " + found + ", must be " + what);
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_space() {
    bool comment = false;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '#') comment = true;
      if (c == '\n') comment = false;
      if (!comment && c != ' ' && c != '\n' && c != '\t' && c != '\r') return;
    }
  }
  bool eat(char symbol) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != symbol) return false;
    ++at_;
    return true;
  }
  Status symbol(char symbol) {
    if (eat(symbol)) return {};
    return wanted(std::string("'") + symbol + "'");
  }
  std::string_view run(bool (*belongs)(char)) {
    const size_t start = at_;
    while (at_ < text_.size() && belongs(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }
  bool eat_word(std::string_view word) {
    skip_space();
    const size_t start = at_;
    if (run(is_word) == word) return true;
    at_ = start;
    return false;
  }
  Status word(std::string_view word) {
    if (eat_word(word)) return {};
    return wanted("'" + std::string(word) + "'");
  }

  Expected<std::string> string() {
    if (!eat('"')) return wanted("a string in double quotes");
    std::string out;
    while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\n') {
      if (text_[at_] != '\\') {
        out += text_[at_++];
        continue;
      }
      const std::string_view escape = text_.substr(at_, 4);
      const auto code = escape.size() == 4 && escape[1] == 'x'
                            ? whole_number<uint8_t>(escape.substr(2), 16)
                            : std::nullopt;
      const bool literal = escape.size() > 1 && (escape[1] == '"' || escape[1] == '\\');
      if (!code && !literal) return wanted("one of \\\" \\\\ \\xHH");
      out += code ? static_cast<char>(*code) : escape[1];
      at_ += code ? 4 : 2;
    }
    if (peek() != '"') return wanted("the string's closing double quote");
    ++at_;
    return out;
  }

  // The name that follows % or @.
  Expected<std::string> name() {
    if (peek() == '"') return string();
    const std::string_view plain = run(is_unquoted);
    if (plain.empty()) return wanted("a name");
    return std::string(plain);
  }

  Expected<std::string> new_name() {
    TRY(symbol('%'));
    const size_t start = at_;
    std::string fresh = TRY(name());
    if (!fresh.empty() && !nodes_.contains(fresh)) return fresh;
    at_ = start;
    return fail("name \"" + fresh + "\" is " + (fresh.empty() ? "empty" : "taken") +
                ", must be one of its own");
  }

  Expected<Node*> defined() {
    TRY(symbol('%'));
    const size_t start = at_;
    const std::string used = TRY(name());
    const auto found = nodes_.find(used);
    if (found != nodes_.end()) return found->second;
    at_ = start;
    return fail("%" + used + " is not there, must be defined above");
  }

  Expected<int64_t> integer() {
    skip_space();
    const size_t start = at_;
    const auto value = whole_number<int64_t>(run(is_number));
    if (value) return *value;
    at_ = start;
    return wanted("an integer of 64 bits");
  }

  // Calls `item` for each of the comma-separated items up to `close`.
  template <class Item>
  Status list(char open, char close, Item item) {
    TRY(symbol(open));
    if (eat(close)) return {};
    do {
      TRY(item());
    } while (eat(','));
    return symbol(close);
  }

  Expected<std::vector<int64_t>> integers() {
    std::vector<int64_t> values;
    TRY(list('[', ']', [&]() -> Status {
      values.push_back(TRY(integer()));
      return {};
    }));
    return values;
  }

  Expected<TensorType> type() {
    skip_space();
    const size_t start = at_;
    const auto dtype = parse_dtype(run(is_word));
    if (!dtype) {
      at_ = start;
      return wanted("a type such as f32[2,3]");
    }
    Shape shape = TRY(integers());
    if (is_valid_shape(shape)) return TensorType{*dtype, std::move(shape)};
    at_ = start;
    return fail("shape is " + to_string(shape) + ", must have at most " + std::to_string(kMaxRank) +
                " dimensions, none negative, and at most " + std::to_string(kMaxElements) +
                " elements");
  }

  Status inputs() {
    if (eat(')')) return {};
    do {
      const std::string fresh = TRY(new_name());
      TRY(symbol(':'));
      nodes_[fresh] = graph_.add_input(fresh, TRY(type()));
    } while (eat(','));
    return symbol(')');
  }

  Status statement() {
    const std::string fresh = TRY(new_name());
    TRY(symbol('='));
    skip_space();
    const size_t start = at_;
    const auto op = parse_op(run(is_word));
    if (!op || *op == Op::Input) {
      at_ = start;
      return wanted("an op");
    }
    std::vector<Node*> operands;
    skip_space();
    if (peek() == '%') {
      do {
        operands.push_back(TRY(defined()));
      } while (eat(','));
    }
    Braces braces = TRY(attributes(*op));
    TRY(symbol(':'));
    const TensorType declared = TRY(type());
    const size_t end = std::exchange(at_, start);  // errors of the node are shown at its op
    nodes_[fresh] = *op == Op::Constant
                        ? TRY(constant(fresh, declared, operands, braces))
                        : TRY(node(*op, fresh, declared, operands, std::move(braces.attrs)));
    at_ = end;
    return {};
  }

  Expected<Node*> node(Op op, const std::string& fresh, const TensorType& declared,
                       const std::vector<Node*>& operands, std::map<std::string, Attr> attrs) {
    Expected<Node*> added = graph_.add(op, fresh, operands, std::move(attrs));
    if (!added.ok()) return fail(added.error().message);
    if ((*added)->type == declared) return added;
    return fail(fresh + ": type is " + to_string(declared) + ", must be " +
                to_string((*added)->type));
  }

  Expected<Braces> attributes(Op op) {
    Braces braces;
    if (!eat('{')) return braces;
    const std::vector<AttrSpec> specs = attr_specs(info(op).attrs);
    while (!eat('}')) {
      skip_space();
      const size_t start = at_;
      const std::string key(run(is_word));
      TRY(symbol('='));
      if (op == Op::Constant && key == "value" && !braces.values) {
        TRY(values(braces));
        eat(',');
        continue;
      }
      const auto spec = std::ranges::find(specs, key, &AttrSpec::name);
      const bool elided = op == Op::Constant && key == "elided";
      if ((spec == specs.end() && !elided) || braces.attrs.contains(key)) {
        at_ = start;
        return wanted("an attribute of " + std::string(info(op).text) + ", once");
      }
      braces.attrs[key] = TRY(attribute(elided ? "string" : spec->kind));
      eat(',');
    }
    return braces;
  }

  Expected<Attr> attribute(std::string_view kind) {
    if (kind == "string") return Attr(TRY(string()));
    if (kind == "ints") return Attr(TRY(integers()));
    if (kind == "int") return Attr(TRY(integer()));
    skip_space();
    const size_t start = at_;
    const auto value = whole_number<double>(run(is_number));
    if (value) return Attr(*value);
    at_ = start;
    return wanted("a number");
  }

  Status values(Braces& braces) {
    std::vector<std::string_view>& values = braces.values.emplace();
    const auto value = [&]() -> Status {
      skip_space();
      values.push_back(run(is_number));
      if (values.back().empty()) return wanted("a number");
      return {};
    };
    skip_space();
    braces.one_value = peek() != '[';
    return braces.one_value ? value() : list('[', ']', value);
  }

  Expected<Node*> constant(const std::string& fresh, const TensorType& declared,
                           const std::vector<Node*>& operands, const Braces& braces) {
    if (!operands.empty() || braces.values.has_value() == braces.attrs.contains("elided"))
      return fail(fresh + ": constant must have no inputs and either value or elided");
    if (!braces.values) {
      Node* node = graph_.add_constant(fresh, Tensor(declared, nullptr, {}));
      node->attrs = braces.attrs;
      return node;
    }
    const int64_t count = elements(declared.shape);
    const auto given = static_cast<int64_t>(braces.values->size());
    if (!braces.one_value && given != count)
      return fail(fresh + ": constant has " + std::to_string(given) + " values, must have the " +
                  std::to_string(count) + " of " + to_string(declared));
    constant_bytes_ += declared.bytes();
    if (constant_bytes_ > kMaxConstantBytes)
      return fail(fresh + ": constants take " + std::to_string(constant_bytes_) +
                  " bytes, must take at most " + std::to_string(kMaxConstantBytes));
    std::vector<std::byte> bytes(static_cast<size_t>(declared.bytes()));
    const auto size = static_cast<size_t>(size_of(declared.dtype));
    for (int64_t i = 0; i < count; ++i) {
      const std::string_view value = (*braces.values)[braces.one_value ? 0 : i];
      const auto bits = element_bits(declared.dtype, value);
      if (!bits)
        return fail(fresh + ": value is " + std::string(value.substr(0, 40)) +
                    ", must be one that " + std::string(to_string(declared.dtype)) + " has");
      std::memcpy(bytes.data() + i * static_cast<int64_t>(size), &*bits, size);
    }
    return graph_.add_constant(fresh, Tensor::copy(declared, bytes));
  }

  Status returns() {
    TRY(word("return"));
    skip_space();
    if (peek() != '%') return {};
    do {
      Node* node = TRY(defined());
      graph_.outputs.push_back({eat_word("as") ? TRY(string()) : node->name, node});
    } while (eat(','));
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
  Graph graph_;
  std::map<std::string, Node*> nodes_;
  int64_t constant_bytes_ = 0;
};

}  // namespace

Expected<Graph> parse_graph(std::string_view text) { return Parser(text).parse(); }

}  // namespace tessera

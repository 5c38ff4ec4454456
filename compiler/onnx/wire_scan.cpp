// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/wire_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "onnx.pb.h"

namespace tessera {
namespace {

// Messages of onnx.proto by how they nest, and what each holds. A field that is not here is a
// number alone, or unknown: protobuf keeps its bytes and no more.
enum Kind : uint8_t {
  Model,
  Opset,
  Property,
  Training,
  Function,
  Graph,
  Node,
  Attribute,
  Tensor,
  Segment,
  Sparse,
  Value,
  Type,
  TensorType,
  Sequence,
  Map,
  Optional,
  SparseType,
  Shape,
  Dim,
  Annotation,
  kKinds
};
enum class Holds : uint8_t { Bytes, Message, Text, Texts, Numbers };
struct Field {
  Kind of;
  uint32_t number;
  Holds holds;
  Kind message = kKinds;     // of Message
  int64_t number_bytes = 0;  // of Numbers, in memory
};

constexpr Holds M = Holds::Message, T = Holds::Text, R = Holds::Texts, N = Holds::Numbers;
// clang-format off
constexpr Field kFields[] = {
    {Model, 8, M, Opset}, {Model, 7, M, Graph}, {Model, 14, M, Property}, {Model, 20, M, Training},
    {Model, 25, M, Function}, {Model, 2, T}, {Model, 3, T}, {Model, 4, T}, {Model, 6, T},
    {Opset, 1, T}, {Property, 1, T}, {Property, 2, T},
    {Training, 1, M, Graph}, {Training, 2, M, Graph}, {Training, 3, M, Property},
    {Training, 4, M, Property},
    {Function, 1, T}, {Function, 4, R}, {Function, 5, R}, {Function, 6, R}, {Function, 7, M, Node},
    {Function, 8, T}, {Function, 9, M, Opset}, {Function, 10, T}, {Function, 11, M, Attribute},
    {Graph, 1, M, Node}, {Graph, 2, T}, {Graph, 5, M, Tensor}, {Graph, 15, M, Sparse},
    {Graph, 10, T}, {Graph, 11, M, Value}, {Graph, 12, M, Value}, {Graph, 13, M, Value},
    {Graph, 14, M, Annotation},
    {Annotation, 1, T}, {Annotation, 2, M, Property},
    {Node, 1, R}, {Node, 2, R}, {Node, 3, T}, {Node, 4, T}, {Node, 7, T}, {Node, 5, M, Attribute},
    {Node, 6, T},
    {Attribute, 1, T}, {Attribute, 21, T}, {Attribute, 13, T}, {Attribute, 4, T},
    {Attribute, 5, M, Tensor}, {Attribute, 6, M, Graph}, {Attribute, 22, M, Sparse},
    {Attribute, 14, M, Type}, {Attribute, 7, N, kKinds, 4}, {Attribute, 8, N, kKinds, 8},
    {Attribute, 9, R}, {Attribute, 10, M, Tensor}, {Attribute, 11, M, Graph},
    {Attribute, 23, M, Sparse}, {Attribute, 15, M, Type},
    {Tensor, 1, N, kKinds, 8}, {Tensor, 3, M, Segment}, {Tensor, 4, N, kKinds, 4},
    {Tensor, 5, N, kKinds, 4}, {Tensor, 6, R}, {Tensor, 7, N, kKinds, 8}, {Tensor, 8, T},
    {Tensor, 12, T}, {Tensor, 9, T}, {Tensor, 13, M, Property}, {Tensor, 10, N, kKinds, 8},
    {Tensor, 11, N, kKinds, 8},
    {Sparse, 1, M, Tensor}, {Sparse, 2, M, Tensor}, {Sparse, 3, N, kKinds, 8},
    {Value, 1, T}, {Value, 2, M, Type}, {Value, 3, T},
    {Type, 1, M, TensorType}, {Type, 4, M, Sequence}, {Type, 5, M, Map}, {Type, 9, M, Optional},
    {Type, 8, M, SparseType}, {Type, 6, T},
    {TensorType, 2, M, Shape}, {Sequence, 1, M, Type}, {Map, 2, M, Type}, {Optional, 1, M, Type},
    {SparseType, 2, M, Shape}, {Shape, 1, M, Dim}, {Dim, 2, T}, {Dim, 3, T},
};
// clang-format on

constexpr uint32_t kNumbers = 32;  // all fields have smaller ones
constexpr auto kByNumber = [] {
  std::array<std::array<Field, kNumbers>, kKinds> table{};
  for (const Field& field : kFields) table[field.of][field.number] = field;
  return table;
}();

// An object, what malloc keeps beside it, and the pointer to it.
template <class Message>
constexpr int64_t taken() {
  return sizeof(Message) + 24;
}
constexpr int64_t kObjectBytes[] = {taken<::onnx::ModelProto>(),
                                    taken<::onnx::OperatorSetIdProto>(),
                                    taken<::onnx::StringStringEntryProto>(),
                                    taken<::onnx::TrainingInfoProto>(),
                                    taken<::onnx::FunctionProto>(),
                                    taken<::onnx::GraphProto>(),
                                    taken<::onnx::NodeProto>(),
                                    taken<::onnx::AttributeProto>(),
                                    taken<::onnx::TensorProto>(),
                                    taken<::onnx::TensorProto_Segment>(),
                                    taken<::onnx::SparseTensorProto>(),
                                    taken<::onnx::ValueInfoProto>(),
                                    taken<::onnx::TypeProto>(),
                                    taken<::onnx::TypeProto_Tensor>(),
                                    taken<::onnx::TypeProto_Sequence>(),
                                    taken<::onnx::TypeProto_Map>(),
                                    taken<::onnx::TypeProto_Optional>(),
                                    taken<::onnx::TypeProto_SparseTensor>(),
                                    taken<::onnx::TensorShapeProto>(),
                                    taken<::onnx::TensorShapeProto_Dimension>(),
                                    taken<::onnx::TensorAnnotation>()};
static_assert(std::size(kObjectBytes) == kKinds);
constexpr int64_t kTextBytes = sizeof(std::string) + 24;
constexpr int64_t kTextInPlace = 15;  // no second allocation for so few bytes

class Scanner {
 public:
  Scanner(std::span<const std::byte> file, WireFile kind, const Limits& limits,
          const std::string& path)
      : at_(file.data()),
        end_(file.data() + file.size()),
        kind_(kind),
        limits_(limits),
        path_(path) {}

  Expected<WireCost> run() {
    open_.push_back({kind_ == WireFile::Model ? Model : Tensor, end_});
    while (true) {
      while (!open_.empty() && at_ == open_.back().end) open_.pop_back();
      if (open_.empty()) return cost_;
      TRY(field());
    }
  }

 private:
  struct Open {
    Kind kind;
    const std::byte* end;
  };
  static constexpr size_t kDepth = 100;  // protobuf's own
  enum Wire : uint32_t { Varint = 0, Eight = 1, Length = 2, Four = 5 };

  Error damaged() const {
    return Error{path_ + ": cannot be read, must be an ONNX " +
                     (kind_ == WireFile::Model ? "model, whole and undamaged" : "tensor"),
                 ErrorKind::BadFile};
  }

  // At most `most` bytes, of which the last has no continuation bit.
  std::optional<uint64_t> varint(int most) {
    const std::byte* end = open_.back().end;
    uint64_t value = 0;
    for (int i = 0; i < most && at_ != end; ++i) {
      const auto byte = std::to_integer<uint64_t>(*at_++);
      value |= (byte & 0x7f) << (7 * i);
      if (byte < 0x80) return value;
    }
    return std::nullopt;
  }

  bool skip(int64_t bytes) {
    if (bytes > open_.back().end - at_) return false;
    at_ += bytes;
    return true;
  }

  Status field() {
    const std::optional<uint64_t> tag = varint(5);
    if (!tag || *tag > UINT32_MAX || *tag >> 3 == 0) return damaged();
    const uint64_t number = *tag >> 3;
    const Field field = number < kNumbers ? kByNumber[open_.back().kind][number] : Field{};
    switch (*tag & 7) {
      case Varint:
        if (!varint(10)) return damaged();
        return numbers(field, 1, 1);
      case Eight: return skip(8) ? numbers(field, 1, 8) : damaged();
      case Four: return skip(4) ? numbers(field, 1, 4) : damaged();
      case Length: return length_delimited(field);
      default: return damaged();
    }
  }

  Status length_delimited(const Field& field) {
    const std::optional<uint64_t> length = varint(5);
    if (!length || *length > static_cast<uint64_t>(open_.back().end - at_)) return damaged();
    const auto bytes = static_cast<int64_t>(*length);
    const std::byte* begin = at_;
    switch (field.holds) {
      case Holds::Message: return message(field.message, bytes);
      case Holds::Texts: TRY(count_message()); [[fallthrough]];
      case Holds::Text: TRY(beyond(kTextBytes + (bytes > kTextInPlace ? 24 : 0))); break;
      case Holds::Numbers: TRY(packed(field, begin, bytes)); break;
      case Holds::Bytes: break;
    }
    at_ += bytes;
    return {};
  }

  Status message(Kind kind, int64_t bytes) {
    if (open_.size() > kDepth) return damaged();
    TRY(count_message());
    TRY(beyond(kObjectBytes[kind]));
    if (kind == Node && ++cost_.nodes > limits_.nodes)
      return check_limit(limits_, &Limits::nodes, cost_.nodes, path_);
    open_.push_back({kind, at_ + bytes});
    return {};
  }

  Status packed(const Field& field, const std::byte* begin, int64_t bytes) {
    const bool floats = (field.of == Tensor && (field.number == 4 || field.number == 10)) ||
                        (field.of == Attribute && field.number == 7);
    if (floats) return {};  // as long in the file
    const auto count =
        std::count_if(begin, begin + bytes, [](std::byte byte) { return byte < std::byte{0x80}; });
    return numbers(field, count, bytes);
  }

  // An array that grows is up to twice as long as what it holds.
  Status numbers(const Field& field, int64_t count, int64_t in_file) {
    if (field.holds != Holds::Numbers) return {};
    return beyond(std::max<int64_t>(0, 2 * count * field.number_bytes - in_file));
  }

  Status count_message() {
    if (++cost_.messages <= limits_.messages) return {};
    return check_limit(limits_, &Limits::messages, cost_.messages, path_);
  }

  Status beyond(int64_t bytes) {
    cost_.beyond_bytes += bytes;
    if (cost_.beyond_bytes <= limits_.messages * kBytesOfMessage) return {};
    return Error{fmt::format("{}: its messages would take more than {} of memory beyond the file's "
                             "bytes, must take at most {} for each of {} messages (--limit "
                             "messages=VALUE raises it)",
                             path_, to_string(LimitUnit::Bytes, limits_.messages * kBytesOfMessage),
                             to_string(LimitUnit::Bytes, kBytesOfMessage),
                             to_string(LimitUnit::Count, limits_.messages)),
                 ErrorKind::Refused, "limit"};
  }

  const std::byte* at_;
  const std::byte* end_;
  WireFile kind_;
  const Limits& limits_;
  const std::string& path_;
  std::vector<Open> open_;
  WireCost cost_;
};

}  // namespace

Expected<WireCost> scan_wire(std::span<const std::byte> file, WireFile kind, const Limits& limits,
                             const std::string& path) {
  if (file.size() > INT32_MAX)
    return Error{path + ": is larger than 2 GiB, which no ONNX file may be: its weights must be " +
                     "external data",
                 ErrorKind::BadFile};
  TRY(check_limit(limits, &Limits::model_bytes, static_cast<int64_t>(file.size()), path));
  return Scanner(file, kind, limits, path).run();
}

}  // namespace tessera

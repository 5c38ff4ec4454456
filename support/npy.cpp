// SPDX-License-Identifier: Apache-2.0
// A .npy file is a magic word, a version, the length of a header, the header (a Python dict
// literal, padded with spaces so that the data start at a multiple of 64), and the data.
#include "support/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "support/elements.h"
#include "support/file.h"
#include "support/le.h"

namespace tessera {
namespace {

constexpr char kMagic[] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};
constexpr size_t kMaxHeader = 1 << 16;

struct Header {
  std::string descr;
  Shape shape;
  bool fortran_order = false;
};

// Reads the one shape of dict that NumPy writes. Every step returns false on anything else.
class HeaderScanner {
 public:
  explicit HeaderScanner(std::string_view text) : rest_(text) {}

  std::optional<Header> scan() {
    Header header;
    int keys = 0;
    if (!eat('{')) return std::nullopt;
    while (!eat('}')) {
      std::string key;
      if (!string(key) || !eat(':') || !value(key, header)) return std::nullopt;
      ++keys;
      if (!eat(',') && peek() != '}') return std::nullopt;
    }
    if (peek() != '\0' || keys != 3) return std::nullopt;
    return header;
  }

 private:
  bool value(const std::string& key, Header& header) {
    if (key == "descr") return string(header.descr);
    if (key == "fortran_order") return boolean(header.fortran_order);
    return key == "shape" && shape(header.shape);
  }
  char peek() {
    const size_t start = std::min(rest_.find_first_not_of(" \n"), rest_.size());
    rest_.remove_prefix(start);
    return rest_.empty() ? '\0' : rest_.front();
  }
  bool eat(char wanted) {
    if (peek() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool string(std::string& out) {
    if (!eat('\'')) return false;
    const size_t end = rest_.find('\'');
    if (end == std::string_view::npos) return false;
    out = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return true;
  }
  bool boolean(bool& out) {
    peek();
    for (const auto& [word, value] : {std::pair("True", true), std::pair("False", false)}) {
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(std::strlen(word));
      out = value;
      return true;
    }
    return false;
  }
  bool shape(Shape& out) {
    if (!eat('(')) return false;
    while (!eat(')')) {
      peek();
      int64_t dim = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), dim);
      if (error != std::errc() || out.size() == kMaxRank) return false;
      rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
      out.push_back(dim);
      if (!eat(',') && peek() != ')') return false;
    }
    return is_valid_shape(out);
  }

  std::string_view rest_;
};

// Bytes of one element, for the plain numbers that we take; 0 for anything else.
int64_t size_of_descr(std::string_view descr) {
  if (descr.size() != 3 || (descr[0] != '<' && descr[0] != '|')) return 0;
  const int64_t size = descr[2] - '0';
  if (descr[0] == '|' && size != 1) return 0;  // NumPy says that order matters not
  switch (descr[1]) {
    case 'b': return size == 1 ? 1 : 0;
    case 'i':
    case 'u': return size == 1 || size == 2 || size == 4 || size == 8 ? size : 0;
    case 'f': return size == 2 || size == 4 || size == 8 ? size : 0;
    default: return 0;
  }
}

Error bad(const std::string& path, const std::string& what) {
  return Error{path + ": " + what, ErrorKind::BadFile};
}

template <class T>
size_t read_le(std::span<const std::byte> bytes) {
  Le<T> value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return static_cast<T>(value);
}

// The header's text; `file` becomes what follows it.
Expected<std::string_view> take_header(std::span<const std::byte>& file, const std::string& path) {
  if (file.size() < 12 || std::memcmp(file.data(), kMagic, sizeof kMagic) != 0)
    return bad(path, "is not a .npy file: it must start with \\x93NUMPY");
  const int version = static_cast<int>(file[6]);
  if (version < 1 || version > 3)
    return bad(path, "is .npy version " + std::to_string(version) + ", must be 1, 2 or 3");
  const size_t before = version == 1 ? 10 : 12;
  const size_t length =
      version == 1 ? read_le<uint16_t>(file.subspan(8)) : read_le<uint32_t>(file.subspan(8));
  if (length > kMaxHeader || length > file.size() - before)
    return bad(path, "header is " + std::to_string(length) + " bytes long, which it does not hold");
  const char* text = reinterpret_cast<const char*>(file.data()) + before;
  file = file.subspan(before + length);
  return std::string_view(text, length);
}

// Elements that stand with the first axis fastest, with the last axis fastest.
std::vector<std::byte> in_c_order(const Shape& shape, std::span<const std::byte> fortran,
                                  int64_t size) {
  std::vector<int64_t> stride(shape.size(), size);
  for (size_t axis = 1; axis < shape.size(); ++axis)
    stride[axis] = stride[axis - 1] * shape[axis - 1];
  std::vector<std::byte> c(fortran.size());
  Shape index(shape.size(), 0);
  int64_t from = 0;
  for (size_t to = 0; to < c.size(); to += static_cast<size_t>(size)) {
    std::memcpy(c.data() + to, fortran.data() + from, static_cast<size_t>(size));
    for (size_t axis = shape.size(); axis-- > 0;) {
      from += stride[axis];
      if (++index[axis] < shape[axis]) break;
      from -= stride[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return c;
}

template <class T>
void widen(const NpyArray& from, std::vector<std::byte>& to) {
  to.resize(from.bytes.size() / sizeof(T) * sizeof(int32_t));
  for (size_t i = 0; i < from.bytes.size() / sizeof(T); ++i) {
    const auto at = static_cast<int64_t>(i);
    store_element(to, at, int32_t{load_element<T>(from.bytes, at)});
  }
}

}  // namespace

NpyArray widened(NpyArray array) {
  std::vector<std::byte> bytes;
  if (array.descr == "|u1")
    widen<uint8_t>(array, bytes);
  else if (array.descr == "|i1")
    widen<int8_t>(array, bytes);
  else if (array.descr == "<u2")
    widen<uint16_t>(array, bytes);
  else if (array.descr == "<i2")
    widen<int16_t>(array, bytes);
  else
    return array;
  return {"<i4", std::move(array.shape), std::move(bytes)};
}

Expected<NpyArray> read_npy(const std::string& path, int64_t most) {
  const auto file = TRY(MappedFile::open(path));
  NpyArray array = TRY(npy_from(file->bytes(), path, most));
  TRY(file->check());
  return array;
}

Expected<NpyArray> npy_from(std::span<const std::byte> file, const std::string& path,
                            int64_t most) {
  std::span<const std::byte> data = file;
  const std::string_view text = TRY(take_header(data, path));
  std::optional<Header> header = HeaderScanner(text).scan();
  if (!header)
    return bad(path, "header cannot be read: it must be one dict of descr, fortran_order, shape");
  const int64_t size = size_of_descr(header->descr);
  if (size == 0)
    return bad(path, "element type is '" + header->descr +
                         "', must be a little-endian integer, float or bool");
  const int64_t wanted = elements(header->shape) * size;
  if (static_cast<size_t>(wanted) != data.size())
    return bad(path, "holds " + std::to_string(data.size()) + " bytes of data, but " +
                         header->descr + to_string(header->shape) + " takes " +
                         std::to_string(wanted));
  if (wanted > most)
    return Error{path + ": is " + header->descr + to_string(header->shape) + " of " +
                     std::to_string(wanted) + " bytes, must have at most " + std::to_string(most),
                 ErrorKind::Refused, "limit"};
  NpyArray array{
      header->descr, header->shape, {data.begin(), data.end()}
  };
  if (header->fortran_order) array.bytes = in_c_order(array.shape, data, size);
  return array;
}

std::string npy_header(const NpyArray& array) {
  std::string shape;
  for (size_t i = 0; i < array.shape.size(); ++i)
    shape += (i ? ", " : "") + std::to_string(array.shape[i]);
  if (array.shape.size() == 1) shape += ",";
  std::string header =
      "{'descr': '" + array.descr + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10, ' ');
  header.back() = '\n';

  struct {
    char magic[6];
    uint8_t version[2] = {1, 0};
    Le<uint16_t> length;
  } start;
  static_assert(sizeof start == 10);
  std::memcpy(start.magic, kMagic, sizeof kMagic);
  start.length = static_cast<uint16_t>(header.size());
  return std::string(reinterpret_cast<const char*>(&start), sizeof start) + header;
}

Status write_npy(const std::string& path, const NpyArray& array) {
  const std::string header = npy_header(array);
  return write_file_atomic(path, [&](const Sink& sink) -> Status {
    TRY(sink(std::as_bytes(std::span(header))));
    return sink(array.bytes);
  });
}

std::string npy_descr(DType dtype) {
  switch (dtype) {
    case DType::F32: return "<f4";
    case DType::F16: return "<f2";
    case DType::I32: return "<i4";
    case DType::Bool: return "|b1";
    case DType::I8: return "|i1";
    case DType::U8:
    case DType::F143:
    case DType::F152: return "|u1";  // NumPy has no floats of 8 bits: their codes
  }
  return "";
}

}  // namespace tessera

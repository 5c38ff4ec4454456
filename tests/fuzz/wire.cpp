// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/wire.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tests/fuzz/target.h"
#include "tests/fuzz/text_mutator.h"

namespace tessera::fuzz {
namespace {

using Fields = std::vector<WireField>;
constexpr int kDeepestMessage = 40;

bool take_varint(std::string_view& rest, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64 && !rest.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(rest[0]);
    rest.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

void put_varint(std::string& bytes, uint64_t value) {
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  bytes += static_cast<char>(value);
}

bool take_fixed(std::string_view& rest, size_t size, uint64_t& value) {
  if (rest.size() < size) return false;
  value = 0;
  std::memcpy(&value, rest.data(), size);
  rest.remove_prefix(size);
  return true;
}

const WireFieldSchema* field_of(const WireSchema& schema, uint32_t number) {
  const auto found = std::ranges::find(schema.fields, number, &WireFieldSchema::number);
  return found == schema.fields.end() ? nullptr : &*found;
}

std::optional<Fields> parse(std::string_view rest, const WireSchema& schema, int depth) {
  Fields fields;
  while (!rest.empty()) {
    uint64_t key = 0, size = 0;
    WireField field;
    if (!take_varint(rest, key)) return std::nullopt;
    field.number = static_cast<uint32_t>(key >> 3);
    field.type = key & 7;
    switch (field.type) {
      case 0:
        if (!take_varint(rest, field.value)) return std::nullopt;
        break;
      case 1:
        if (!take_fixed(rest, 8, field.value)) return std::nullopt;
        break;
      case 5:
        if (!take_fixed(rest, 4, field.value)) return std::nullopt;
        break;
      case 2: {
        if (!take_varint(rest, size) || size > rest.size()) return std::nullopt;
        field.bytes = rest.substr(0, size);
        rest.remove_prefix(size);
        const WireFieldSchema* const known = field_of(schema, field.number);
        if (known == nullptr || known->message == nullptr || depth >= kDeepestMessage) break;
        auto inner = parse(field.bytes, *known->message, depth + 1);
        if (!inner) break;
        field.fields = std::move(*inner);
        field.message = known->message;
        field.bytes.clear();
        break;
      }
      default: return std::nullopt;
    }
    fields.push_back(std::move(field));
  }
  return fields;
}

// A message within the tree: its fields and their schema.
struct Place {
  Fields* fields;
  const WireSchema* schema;
};

void collect(Fields& fields, const WireSchema& schema, std::vector<Place>& places) {
  places.push_back({&fields, &schema});
  for (WireField& field : fields)
    if (field.message != nullptr) collect(field.fields, *field.message, places);
}

class Mutator {
 public:
  Mutator(Fields& root, const WireSchema& schema, std::span<const std::string> words,
          Random& random)
      : words_(words), random_(random) {
    collect(root, schema, places_);
  }

  void change() {
    const Place& place = pick_place();
    if (place.fields->empty() || random_.one_in(8)) return add(place);
    const size_t at = random_.below(place.fields->size());
    const auto here = place.fields->begin() + static_cast<ptrdiff_t>(at);
    switch (random_.below(12)) {
      case 0: place.fields->erase(here); return;
      case 1: place.fields->insert(here, WireField(*here)); return;
      case 2: std::swap(*here, random_.pick(*place.fields)); return;
      case 3: *here = donor(here->number, place); return;
      case 4: return rename_everywhere();
      default: return change_value(*here, place);
    }
  }

 private:
  // Messages low in the tree are many: half of the time the kind is drawn first.
  const Place& pick_place() {
    if (random_.one_in(2)) return random_.pick(places_);
    const WireSchema* const schema = random_.pick(places_).schema;
    const Place* chosen = &places_[0];
    size_t seen = 0;
    for (const Place& place : places_)
      if (place.schema == schema && random_.one_in(++seen)) chosen = &place;
    return *chosen;
  }

  // A field of that number of any message of the same kind.
  WireField donor(uint32_t number, const Place& like) {
    WireField chosen{.number = number};
    size_t seen = 0;
    for (const Place& place : places_)
      for (const WireField& field : *place.fields)
        if (place.schema == like.schema && field.number == number && random_.one_in(++seen))
          chosen = field;
    return chosen;
  }

  void add(const Place& place) {
    if (place.schema->fields.empty()) return;
    const WireFieldSchema& known = place.schema->fields[random_.below(place.schema->fields.size())];
    WireField field = donor(known.number, place);
    if (field.bytes.empty() && field.fields.empty() && field.value == 0) field = fresh(known);
    place.fields->insert(
        place.fields->begin() + static_cast<ptrdiff_t>(random_.below(place.fields->size() + 1)),
        std::move(field));
  }

  WireField fresh(const WireFieldSchema& known) {
    WireField field{.number = known.number};
    switch (known.kind) {
      case WireKind::Integer: field.value = static_cast<uint64_t>(other_number(2, random_)); break;
      case WireKind::Fixed32: field.type = 5; break;
      case WireKind::Fixed64: field.type = 1; break;
      case WireKind::Packed:
      case WireKind::Bytes: field.type = 2, field.bytes = std::string(8, '\1'); break;
      case WireKind::Text: field.type = 2, field.bytes = word(); break;
      case WireKind::Message: field.type = 2, field.message = known.message; break;
    }
    return field;
  }

  void change_value(WireField& field, const Place& place) {
    constexpr float kFloats[] = {0.0f, 1.0f, -1.0f, 1e-12f, 3e38f, -3e38f, INFINITY, NAN};
    switch (field.type) {
      case 0:
        field.value =
            static_cast<uint64_t>(other_number(static_cast<int64_t>(field.value), random_));
        return;
      case 1: field.value = random_.one_in(2) ? random_.next() : field.value + 1; return;
      case 5: {
        const float value = kFloats[random_.below(std::size(kFloats))];
        std::memcpy(&field.value, &value, 4);
        return;
      }
      default: break;
    }
    if (field.message != nullptr) {
      field = donor(field.number, place);
      return;
    }
    const WireFieldSchema* const known = field_of(*place.schema, field.number);
    if (known != nullptr && known->kind == WireKind::Text && !random_.one_in(4))
      field.bytes = word();
    else
      field.bytes =
          random_.one_in(2) ? mutate_bytes(field.bytes, random_) : donor(field.number, place).bytes;
  }

  // A string of this message, of others, or one that no message should have.
  std::string word() {
    if (random_.one_in(16)) return odd_text(random_);
    if (!words_.empty() && random_.one_in(3)) return words_[random_.below(words_.size())];
    std::string chosen;
    size_t seen = 0;
    for (const Place& place : places_)
      for (const WireField& field : *place.fields)
        if (is_text(field, place) && random_.one_in(++seen)) chosen = field.bytes;
    return chosen;
  }

  static bool is_text(const WireField& field, const Place& place) {
    if (field.type != 2 || field.message != nullptr) return false;
    const WireFieldSchema* const known = field_of(*place.schema, field.number);
    return known != nullptr && known->kind == WireKind::Text;
  }

  void rename_everywhere() {
    const std::string from = word(), to = word();
    for (const Place& place : places_)
      for (WireField& field : *place.fields)
        if (is_text(field, place) && field.bytes == from) field.bytes = to;
  }

  std::vector<Place> places_;
  std::span<const std::string> words_;
  Random& random_;
};

}  // namespace

std::optional<Fields> parse_wire(std::string_view bytes, const WireSchema& schema) {
  return parse(bytes, schema, 0);
}

std::string wire_bytes(const Fields& fields) {
  std::string bytes;
  for (const WireField& field : fields) {
    put_varint(bytes, uint64_t{field.number} << 3 | field.type);
    if (field.type == 0) {
      put_varint(bytes, field.value);
    } else if (field.type == 2) {
      const std::string inner = field.message != nullptr ? wire_bytes(field.fields) : field.bytes;
      put_varint(bytes, inner.size());
      bytes += inner;
    } else {
      bytes.append(reinterpret_cast<const char*>(&field.value), field.type == 1 ? 8 : 4);
    }
  }
  return bytes;
}

std::string mutate_wire(std::string_view bytes, const WireSchema& schema,
                        std::span<const std::string> words, Random& random) {
  auto fields = parse_wire(bytes, schema);
  if (!fields) return mutate_bytes(bytes, random);
  Mutator(*fields, schema, words, random).change();
  return wire_bytes(*fields);
}

}  // namespace tessera::fuzz

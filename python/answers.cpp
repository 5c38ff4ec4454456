// SPDX-License-Identifier: Apache-2.0
#include "python/answers.h"

#include <algorithm>
#include <cstring>

#include "python/errors.h"
#include "serving/padded_rows.h"
#include "serving/request_contract.h"
#include "support/elements.h"
#include "support/half.h"

namespace tessera::python {
namespace {

const Anchor* find_output(const Metadata& metadata, const std::string& name) {
  for (const Anchor& anchor : metadata.anchors)
    if (anchor.kind == AnchorKind::Output && anchor.name == name) return &anchor;
  return nullptr;
}

bool gives_one_value(const Metadata& metadata, const Anchor& output) {
  if (metadata.packing.form != PackingForm::None) return is_per_request(metadata.packing, output);
  const auto contract = request_contract(metadata);  // of a padded model most is left open
  return contract.ok() && is_per_request(*contract, output);
}

// Dimensions of one token's item, or of one request's.
Shape item_shape(const Anchor& anchor) {
  return {anchor.shape.begin() + std::min<ptrdiff_t>(2, std::ssize(anchor.shape)),
          anchor.shape.end()};
}

py::object array_of(const std::vector<std::byte>& bytes, DType dtype, const Shape& shape) {
  const NewArray made = new_array(dtype, shape);
  std::memcpy(made.bytes.data(), bytes.data(), std::min(bytes.size(), made.bytes.size()));
  return made.array;
}

template <class From, class To, class Convert>
void convert_items(std::span<const std::byte> from, std::span<std::byte> to, Convert convert) {
  const size_t count = std::min(from.size() / sizeof(From), to.size() / sizeof(To));
  for (size_t i = 0; i < count; ++i) {
    const auto at = static_cast<int64_t>(i);
    const To converted = convert(load_element<From>(from, at));
    store_element(to, at, converted);
  }
}

}  // namespace

py::dict answer_arrays(const Answer& answer, const Metadata& metadata,
                       const PackingContract& contract) {
  py::dict arrays;
  for (const auto& [name, bytes] : answer.outputs) {
    const Anchor* anchor = find_output(metadata, name);
    if (anchor == nullptr) continue;
    arrays[py::str(name)] =
        array_of(bytes, anchor->dtype, answer_shape(contract, *anchor, bytes.size()));
  }
  return arrays;
}

JoinedAnswer join_answers(const Metadata& metadata, const PackingContract& contract, int64_t width,
                          std::span<const Answer> answers) {
  JoinedAnswer joined;
  for (const Anchor& anchor : metadata.anchors) {
    if (anchor.kind != AnchorKind::Output) continue;
    BatchOutput output = join_rows(output_of_request(contract, anchor), anchor, width, answers);
    joined.answer.outputs[anchor.name] = std::move(output.bytes);
    joined.shapes[anchor.name] = std::move(output.shape);
  }
  for (const Answer& answer : answers)
    joined.answer.not_finite.insert(joined.answer.not_finite.end(), answer.not_finite.begin(),
                                    answer.not_finite.end());
  return joined;
}

py::dict answer_arrays(const JoinedAnswer& joined, const Metadata& metadata) {
  py::dict arrays;
  for (const auto& [name, bytes] : joined.answer.outputs)
    arrays[py::str(name)] =
        array_of(bytes, find_output(metadata, name)->dtype, joined.shapes.at(name));
  return arrays;
}

void fill_answer(const Answer& answer, const Metadata& metadata, const OutputViews& outputs) {
  for (const auto& [name, view] : outputs) {
    const std::vector<std::byte>& bytes = answer.outputs.at(name);
    const DType dtype = find_output(metadata, name)->dtype;
    if (view.dtype == dtype) {
      std::memcpy(view.bytes.data(), bytes.data(), std::min(bytes.size(), view.bytes.size()));
    } else if (dtype == DType::F32) {
      convert_items<float, uint16_t>(bytes, view.bytes, [](float value) { return to_half(value); });
    } else {
      convert_items<uint16_t, float>(bytes, view.bytes,
                                     [](uint16_t half) { return from_half(half); });
    }
  }
}

void check_room(const OutputViews& outputs, const Metadata& metadata, int64_t length,
                int64_t rows) {
  for (const auto& [name, view] : outputs) {
    const Anchor* anchor = find_output(metadata, name);
    if (anchor == nullptr) raise(Error{name + ": is not an output of this model"});
    const bool fits =
        view.dtype == anchor->dtype || (is_float(view.dtype) && is_float(anchor->dtype));
    if (!fits)
      raise(Error{name + ": dtype is " + std::string(to_string(view.dtype)) + ", must be " +
                  std::string(to_string(anchor->dtype))});
    const bool whole = anchor->shape.size() < 2 || gives_one_value(metadata, *anchor);
    const int64_t leading = whole ? (anchor->shape.size() > 1 ? anchor->shape[1] : 1) : length;
    const int64_t must = elements(item_shape(*anchor)) * leading * rows;
    if (elements(view.shape) < must)
      raise(Error{name + ": output has room for " + std::to_string(elements(view.shape)) +
                  " values, must have room for " + std::to_string(must)});
  }
}

}  // namespace tessera::python

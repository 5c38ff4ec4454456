// SPDX-License-Identifier: Apache-2.0
#include "serving/batch_runner.h"

#include <algorithm>
#include <cstring>

#include "serving/rejection.h"

namespace tessera {
namespace {

bool has_name(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// "length,4", for messages.
std::string with_length(const Shape& of_token) {
  std::string text = "length";
  for (const int64_t size : of_token) text += "," + std::to_string(size);
  return text;
}

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

Error wrong(const std::string& what, std::string_view type = rejection::kWrongInput) {
  return {"request: " + what, ErrorKind::Failed, type};
}

}  // namespace

BatchRunner::BatchRunner(ModelRunner& runner, PackingContract contract, bool strip_padding)
    : runner_(runner), contract_(std::move(contract)), strip_padding_(strip_padding) {}

Expected<std::unique_ptr<BatchRunner>> BatchRunner::create(ModelRunner& runner,
                                                           const RequestOptions& options) {
  const Metadata& metadata = runner.executable().metadata;
  PackingContract contract = TRY(request_contract(metadata));
  if (options.zero_delimiters != 0) {
    const int64_t most = contract.form == PackingForm::B ? contract.row_length - 1 : 0;
    if (options.zero_delimiters < 0 || options.zero_delimiters > most) {
      return Error{"packing: zero_delimiters is " + std::to_string(options.zero_delimiters) +
                       ", must be in 0.." + std::to_string(most) +
                       (most == 0 ? " where requests do not share a row by a mask" : ""),
                   ErrorKind::Usage};
    }
    contract.zero_delimiters = options.zero_delimiters;
  }
  std::unique_ptr<BatchRunner> out(
      new BatchRunner(runner, std::move(contract), options.strip_padding));
  for (const Anchor& anchor : metadata.anchors) {
    if (anchor.kind == AnchorKind::Input) out->inputs_.push_back(&anchor);
  }
  TRY(out->check_inputs());
  TRY(out->check_rows());
  TRY(out->find_outputs());
  return out;
}

// Rows that see each other are of one request.
Status BatchRunner::check_rows() const {
  if (contract_.request_size != RequestSize::Batch || contract_.rows == 1) return {};
  const std::string why = contract_.why_no_less.empty()
                              ? "nothing says that its rows do not see each other"
                              : contract_.why_no_less;
  return Error{"padding: a request would take the whole batch of " +
               std::to_string(contract_.rows) + " rows, must take a row: " + why +
               "; compile the model at one row"};
}

// Every input is one that packing fills, of the type that it fills.
Status BatchRunner::check_inputs() const {
  const PackingContract& c = contract_;
  for (const Anchor* anchor : inputs_) {
    const bool info = c.form != PackingForm::None && anchor->name == c.unpack_info_input;
    const bool known = info || anchor->name == c.mask_input || anchor->name == c.position_input ||
                       has_name(c.token_inputs, anchor->name);
    if (!known) {
      return Error{"packing: nothing says what input " + anchor->name +
                   " carries, must be tokens, mask, positions or unpack_info"};
    }
    const TensorType is{anchor->dtype, anchor->shape};
    const TensorType must{
        DType::I32, info ? unpack_info_shape(c) : Shape{c.rows, c.row_length}
    };
    const bool has_more = has_name(c.token_inputs, anchor->name) && anchor->name != c.ids_input &&
                          is.dtype == DType::I32 && begins_with(is.shape, must.shape);
    if (is == must || has_more) continue;
    const bool is_mask = c.form == PackingForm::None && is.shape == must.shape;
    return Error{
        "packing: input " + anchor->name + " is " + to_string(is) + ", must be " + to_string(must) +
        (is_mask ? "; give whole batches, or compile with packing, which makes a mask i32" : "")};
  }
  return {};
}

// An output has leading dimensions that say whose it is, and then one item.
Status BatchRunner::find_outputs() {
  const PackingContract& c = contract_;
  const bool unpacked = c.form == PackingForm::A;
  const Shape by_token =
      unpacked ? Shape{c.max_valid_num, c.segment_max_size} : Shape{c.rows, c.row_length};
  for (const Anchor& anchor : runner_.executable().metadata.anchors) {
    if (anchor.kind != AnchorKind::Output) continue;
    SlicedOutput output{
        &anchor, {anchor.name, false},
         0
    };
    const Shape& shape = anchor.shape;
    output.rule.per_request = is_per_request(c, anchor);
    const bool is_packed = c.form != PackingForm::None;
    Shape lead = by_token;
    if (output.rule.per_request) lead = {is_packed ? c.max_valid_num : c.rows};
    if (c.request_size == RequestSize::Batch) lead.clear();  // its one request has all of it
    if (!begins_with(shape, lead)) {
      return Error{"packing: output " + anchor.name + " is " + to_string(shape) +
                   ", must begin with " + to_string(lead)};
    }
    output.item_bytes =
        elements(Shape(shape.begin() + std::ssize(lead), shape.end())) * size_of(anchor.dtype);
    outputs_.push_back(std::move(output));
  }
  return {};
}

double BatchRunner::modelled_seconds() const {
  return runner_.executable().metadata.cycles.seconds_per_batch;
}

bool BatchRunner::is_positions(const std::string& name) const {
  return !name.empty() && name == contract_.position_input;
}

int64_t BatchRunner::numbers_of_token(const std::string& name) const {
  return elements(shape_of_token(runner_.executable().metadata, name));
}

// [length] or [1,length], and behind it what a token of the input has.
Status BatchRunner::check_shape(const std::string& name, const Shape& shape) const {
  const Shape behind = shape_of_token(runner_.executable().metadata, name);
  const auto lead = std::ssize(shape) - std::ssize(behind);
  const bool fits = (lead == 1 || (lead == 2 && shape[0] == 1)) &&
                    std::equal(behind.begin(), behind.end(), shape.begin() + lead);
  if (fits) return {};
  const std::string must = with_length(behind);
  return wrong(name + " is " + to_string(shape) + ", must be [" + must + "] or [1," + must + "]");
}

// A tokenizer makes a mask for a model that takes none too; it says what the padding is.
const std::string& BatchRunner::mask_of(const Request& request) const {
  static const std::string usual = "attention_mask";
  return contract_.mask_input.empty() && strips(request) ? usual : contract_.mask_input;
}

Status BatchRunner::check_name(const Request& request, const std::string& name) const {
  if (name == contract_.unpack_info_input)
    return wrong(name + " is given, must be left to packing");
  if (name != mask_of(request) && !is_positions(name) && !has_name(contract_.token_inputs, name))
    return wrong(name + " is not an input, must be one of " + join(contract_.token_inputs));
  const size_t size = request.tokens.at(name).size();
  const size_t must = request.tokens.at(contract_.ids_input).size();
  const auto each = static_cast<size_t>(numbers_of_token(name));
  if (size == must * each) return {};
  return wrong(name + " has " + std::to_string(size) + (each == 1 ? " tokens" : " numbers") +
               ", must have " + (each == 1 ? "" : std::to_string(each) + " for each of ") +
               std::to_string(must) + " as " + contract_.ids_input);
}

Expected<KeptTokens> BatchRunner::kept_by(const Request& request) const {
  const auto mask = request.tokens.find(mask_of(request));
  if (mask == request.tokens.end())
    return KeptTokens{0, request.tokens.at(contract_.ids_input).size()};
  return kept_tokens(mask->first, mask->second, there(), strips(request));
}

size_t BatchRunner::first_token(const Request& request) const {
  if (!strips(request)) return 0;
  const auto mask = request.tokens.find(mask_of(request));
  return mask == request.tokens.end() ? 0 : first_kept(mask->second, there()).first;
}

Status BatchRunner::check_values(const std::string& name, std::span<const int32_t> tokens,
                                 KeptTokens kept) const {
  const Anchor* anchor = find_input(runner_.executable().metadata, name);
  const auto each = static_cast<size_t>(numbers_of_token(name));
  for (size_t i = kept.first * each; anchor != nullptr && i < (kept.first + kept.count) * each;
       ++i) {
    const std::string must_be = anchor->must_be(tokens[i]);
    if (must_be.empty()) continue;
    return wrong(name + " has value " + std::to_string(tokens[i]) + " at " + std::to_string(i) +
                     ", must be in " + must_be,
                 rejection::kOutOfRange);
  }
  return {};
}

// The proof that the answer is exact demands this of the request.
Status BatchRunner::check_exact(const Request& request, KeptTokens kept) const {
  const PackingContract& c = contract_;
  const size_t length = kept.count;
  const std::vector<int32_t>& ids = request.tokens.at(c.ids_input);
  if (c.request_size != RequestSize::Tokens && static_cast<int64_t>(length) != c.row_length)
    return wrong(c.ids_input + " has " + std::to_string(length) + " tokens, must have " +
                     std::to_string(c.row_length) +
                     ", because padding would be part of the answer: " + c.why_no_less +
                     "; compile the model for requests of this length",
                 rejection::kNotPaddable);
  if (c.padding_id < 0) return {};
  const auto counted = std::span(ids).subspan(kept.first, length);
  if (c.form == PackingForm::None) {
    if (std::ranges::any_of(counted, [&](int32_t id) { return id != c.padding_id; })) return {};
    return wrong(c.ids_input + " has the padding id " + std::to_string(c.padding_id) +
                     " alone, must have a token that the model sees",
                 rejection::kPaddingId);
  }
  if (!c.padding_is_hidden && request.tokens.contains(c.position_input)) return {};
  const auto found = std::ranges::find(counted, c.padding_id);
  if (found == counted.end()) return {};
  return wrong(c.ids_input + " has the padding id " + std::to_string(c.padding_id) + " at " +
                   std::to_string(found - counted.begin() + static_cast<ptrdiff_t>(kept.first)) +
                   (c.padding_is_hidden ? ", must have tokens alone: the model hides that id"
                                        : ", must have tokens alone or give " + c.position_input +
                                              ": the model counts positions without that id"),
               rejection::kPaddingId);
}

Expected<int64_t> BatchRunner::check(const Request& request) const {
  const auto ids = request.tokens.find(contract_.ids_input);
  if (ids == request.tokens.end()) return wrong(contract_.ids_input + " is missing, must be given");
  for (const auto& [name, tokens] : request.tokens) {
    const auto shape = request.shapes.find(name);
    if (shape != request.shapes.end()) TRY(check_shape(name, shape->second));
    TRY(check_name(request, name));
  }
  const KeptTokens kept = TRY(kept_by(request));
  const auto length = static_cast<int64_t>(kept.count);
  const int64_t longest = longest_request(contract_);
  if (length < 1 || length > longest) {
    return wrong(contract_.ids_input + " has " + std::to_string(length) + " tokens" +
                     (kept.count == ids->second.size() ? "" : " that the mask keeps") +
                     ", must be 1.." + std::to_string(longest),
                 length < 1 ? rejection::kEmpty : rejection::kOverLong);
  }
  TRY(check_exact(request, kept));
  for (const auto& [name, tokens] : request.tokens)
    if (name != mask_of(request)) TRY(check_values(name, tokens, kept));
  return length;
}

std::vector<int32_t> BatchRunner::batch_input(const std::string& name, const PackedBatch& batch,
                                              std::span<const Request* const> requests) const {
  if (name == contract_.mask_input) return packed_mask(contract_, batch);
  if (name == contract_.unpack_info_input) return packed_unpack_info(contract_, batch);
  const int64_t each = numbers_of_token(name);
  std::vector<int32_t> cells;
  if (is_positions(name)) {
    cells = packed_positions(contract_, batch);
  } else {
    cells.resize(static_cast<size_t>(contract_.rows * contract_.row_length * each));
  }
  for (const Placement& place : batch.placements) {
    const Request& request = *requests[place.request];
    const auto found = request.tokens.find(name);
    if (found == request.tokens.end()) continue;
    const auto first = static_cast<int64_t>(first_token(request)) * each;
    std::copy_n(found->second.begin() + first, place.length * each,
                cells.begin() + place.start * each);
  }
  return cells;
}

OutputSlice BatchRunner::slice(const SlicedOutput& output, const PackedBatch& batch,
                               size_t ordinal) const {
  if (contract_.form == PackingForm::None && output.rule.per_request) {
    const int64_t row = batch.placements[ordinal].start / contract_.row_length;
    return {row * output.item_bytes, output.item_bytes};
  }
  return output_slice(contract_, output.rule, batch, ordinal, output.item_bytes);
}

Expected<std::vector<Answer>> BatchRunner::run(const PackedBatch& batch,
                                               std::span<const Request* const> requests,
                                               uint64_t number) {
  return start(batch, requests, number)->finish();
}

}  // namespace tessera

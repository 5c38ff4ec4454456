// SPDX-License-Identifier: Apache-2.0
#include "tune/shapes.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "codelets/rules.h"
#include "compiler/compile.h"
#include "compiler/option_rows.h"
#include "compiler/option_values.h"
#include "program/popef.h"
#include "program/read_popef.h"
#include "serving/request_contract.h"
#include "serving/waiting_queue.h"
#include "support/human.h"
#include "support/math.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

// The command that compiles what an executable says of its options.
std::string command_of(const std::string& options, const std::string& model,
                       const std::string& output) {
  std::string words = "tessera compile --input_model " + shell_word(model);
  for (const std::string& word : flag_words(parse_option_values(options)))
    words += " " + shell_word(word);
  return words + " -o " + shell_word(output);
}

std::string output_name(const PackingContract& contract) {
  const std::string form = contract.form == PackingForm::None
                               ? "padded"
                               : fmt::format("packed_{}", to_string(contract.form));
  return fmt::format("{}_{}x{}.popef", form, contract.rows, contract.row_length);
}

// The shapes to try: padded at the longest request, both packed forms at every row length.
Expected<std::vector<TriedShape>> wanted(const CompileOptions& base, const ShapeSearch& search,
                                         std::span<const int64_t> lengths) {
  if (base.pack_args)
    return Error{"pack tune: pack_args is what tune chooses, must be left out", ErrorKind::Usage};
  const int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  const int64_t rounded = round_up(longest, 8);
  std::vector<int64_t> row_lengths = search.row_lengths;
  if (row_lengths.empty()) row_lengths = {rounded, 2 * rounded};
  std::vector<TriedShape> all;
  const auto add = [&](PackingContract contract, const CompileOptions& options) {
    TriedShape& shape = all.emplace_back();
    shape.contract = contract;
    shape.options = options;
    shape.options.input_shape[search.ids] = {contract.rows, contract.row_length};
  };
  for (const int64_t rows : search.rows) {
    for (const int64_t row_length : row_lengths) {
      if (row_length < longest)
        return Error{fmt::format("try_row_length: {}, must hold the longest request of {} tokens",
                                 row_length, longest),
                     ErrorKind::Usage};
      PackingContract contract;
      contract.rows = rows;
      contract.row_length = row_length;
      if (row_length == row_lengths.front()) add(contract, base);
      contract.form = PackingForm::B;
      CompileOptions with_mask = base;
      with_mask.passes.push_back("insert_attention_mask");
      add(contract, with_mask);
      contract.form = PackingForm::A;
      contract.segment_max_size = std::min(rounded, row_length);
      for (const int64_t limit : request_limits(contract, lengths)) {
        CompileOptions with_packs = base;
        contract.max_valid_num = limit;
        with_packs.pack_args = PackArgs{limit, contract.segment_max_size};
        add(contract, with_packs);
      }
    }
  }
  return all;
}

// A shape is hopeless where one of the same form with no more of anything did not fit.
bool is_hopeless(const TriedShape& shape, std::span<const TriedShape> before) {
  return std::any_of(before.begin(), before.end(), [&](const TriedShape& other) {
    return other.failure.starts_with("does not fit") &&
           other.contract.form == shape.contract.form &&
           other.contract.rows <= shape.contract.rows &&
           other.contract.row_length <= shape.contract.row_length &&
           other.contract.max_valid_num <= shape.contract.max_valid_num;
  });
}

void compile_shape(TriedShape& shape, const std::string& model) {
  shape.command = command_of(to_string(shape.options), model, output_name(shape.contract));
  auto result = compile(model, shape.options);
  if (!result) {
    shape.failure = result.error().message;
    return;
  }
  const Metadata& metadata = result->executable.metadata;
  if (result->out_of_memory) {
    shape.failure = fmt::format("does not fit: {} bytes on a tile of {}",
                                human_count(metadata.memory.peak_bytes),
                                human_count(result->executable.program.target.bytes_per_tile));
    return;
  }
  auto contract = request_contract(metadata);
  if (!contract) {
    shape.failure = contract.error().message;
    return;
  }
  shape.contract = contract.take();
  shape.seconds_per_batch = metadata.cycles.seconds_per_batch;
}

double seconds(Time time) { return std::chrono::duration<double>(time).count(); }

Status tune_tried(TriedShape& shape, std::span<const int64_t> lengths, const TuneOptions& options) {
  if (!shape.failure.empty()) return {};
  const int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  if (longest > longest_request(shape.contract)) {
    shape.failure = fmt::format("takes requests of up to {} tokens, the longest has {}",
                                longest_request(shape.contract), longest);
    return {};
  }
  const auto batch_time = std::chrono::duration_cast<Time>(
      std::chrono::duration<double>(seconds_of_batch(shape.seconds_per_batch)));
  shape.tuned = TRY(tune_shape(shape.contract, std::max(batch_time, Time(1)), lengths, options));
  return {};
}

}  // namespace

Status check_shape_search(const ShapeSearch& search) {
  const auto usage = [](std::string message) {
    return Error{std::move(message), ErrorKind::Usage};
  };
  constexpr int64_t kMost = 1 << 20;
  for (const auto& [name, numbers] :
       {std::pair("try_rows", &search.rows), std::pair("try_row_length", &search.row_lengths)})
    for (const int64_t number : *numbers)
      if (number < 1 || number > kMost)
        return usage(fmt::format("{}: {}, must be in 1..{}", name, number, kMost));
  if (search.rows.empty()) return usage("try_rows: is empty, must have a number");
  if (!(search.tune.rate >= 0 && search.tune.rate <= 1e9))
    return usage(fmt::format("rate: {}, must be in 0..1e9", search.tune.rate));
  if (!(search.p99_limit >= 0))
    return usage(fmt::format("p99_ms: {}, must not be negative", search.p99_limit * 1e3));
  return {};
}

Expected<std::vector<TriedShape>> compile_shapes(const std::string& model,
                                                 const CompileOptions& base,
                                                 const ShapeSearch& search,
                                                 std::span<const int64_t> lengths,
                                                 const ShapeProgress& progress) {
  std::vector<TriedShape> all = TRY(wanted(base, search, lengths));
  for (size_t i = 0; i < all.size(); ++i) {
    TriedShape& shape = all[i];
    if (progress)
      progress(fmt::format("compiling form {} {}x{},", to_string(shape.contract.form),
                           shape.contract.rows, shape.contract.row_length),
               static_cast<int64_t>(i), std::ssize(all));
    if (is_hopeless(shape, std::span(all).first(i)))
      shape.failure = "not tried: a smaller one does not fit";
    else
      compile_shape(shape, model);
  }
  return all;
}

Expected<std::vector<TriedShape>> shapes_of(std::span<const std::string> executables,
                                            const std::optional<PublicKey>& key,
                                            const Limits& limits) {
  std::vector<TriedShape> all;
  for (const std::string& path : executables) {
    const Executable executable =
        TRY(read_popef(TRY(open_popef(path, key, limits)), check_compute_set, limits));
    const Metadata& metadata = executable.metadata;
    TriedShape& shape = all.emplace_back();
    shape.file = path;
    shape.contract = TRY(request_contract(metadata));
    shape.seconds_per_batch = metadata.cycles.seconds_per_batch;
    shape.command = command_of(metadata.options, "MODEL.onnx", path);
    if (!metadata.memory.fits) shape.failure = "does not fit its target";
  }
  return all;
}

Status tune_shapes(std::span<TriedShape> shapes, std::span<const int64_t> lengths,
                   const ShapeSearch& search) {
  for (TriedShape& shape : shapes) TRY(tune_tried(shape, lengths, search.tune));
  return {};
}

const TriedShape* best_shape(std::span<const TriedShape> shapes, const ShapeSearch& search) {
  const bool rate_given = search.tune.rate > 0;
  const TriedShape* best = nullptr;
  for (const TriedShape& shape : shapes) {
    if (!shape.failure.empty()) continue;
    const TunedShape& tuned = shape.tuned;
    if (rate_given && !tuned.keeps_up) continue;
    if (search.p99_limit > 0 && seconds(tuned.p99) > search.p99_limit) continue;
    if (!best || (rate_given ? tuned.p99 < best->tuned.p99
                             : tuned.requests_per_second > best->tuned.requests_per_second))
      best = &shape;
  }
  return best;
}

}  // namespace tessera

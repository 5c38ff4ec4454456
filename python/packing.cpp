// SPDX-License-Identifier: Apache-2.0
// tessera.pack, and requests that are all known through one executable.
#include "python/packing.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <optional>
#include <span>

#include "packing/lengths.h"
#include "packing/offline.h"
#include "packing/pack.h"
#include "python/answers.h"
#include "python/arrays.h"
#include "python/bindings.h"
#include "python/errors.h"
#include "python/executable.h"
#include "python/gil.h"
#include "python/model_runner.h"
#include "serving/offline_runner.h"
#include "serving/padded_rows.h"
#include "serving/request.h"
#include "serving/request_contract.h"

namespace tessera::python {
namespace {

PackRule rule_of(const std::string& policy) {
  Expected<PackPolicy> parsed = parse_policy(policy);
  if (!parsed) raise(Error{"policy: " + parsed.error().message, parsed.error().kind});
  return *parsed;
}

// (((request, start, length), …), tokens) for each batch.
py::list pack(const std::vector<int64_t>& lengths, const py::object& packing,
              const std::string& policy) {
  const PackingContract contract = contract_of(packing);
  const PackRule rule = rule_of(policy);
  py::list list;
  for (const PackedBatch& batch :
       value_of(without_gil([&] { return pack_offline(contract, rule, lengths); }))) {
    py::tuple placements(batch.placements.size());
    for (size_t i = 0; i < batch.placements.size(); ++i) {
      const Placement& place = batch.placements[i];
      placements[i] = py::make_tuple(place.request, place.start, place.length);
    }
    list.append(py::make_tuple(placements, batch.tokens));
  }
  return list;
}

py::object int32_array(const std::vector<int32_t>& values, const Shape& shape) {
  const NewArray made = new_array(DType::I32, shape);
  std::ranges::copy(std::as_bytes(std::span(values)), made.bytes.begin());
  return made.array;
}

// The shape of one token of this request in an input.
Shape behind_length(const Request& request, const std::string& name, int64_t length) {
  const Shape& shape = request.shapes.at(name);
  const bool has_row = shape.size() > 1 && shape[0] == 1 && shape[1] == length;
  return {shape.begin() + (has_row ? 2 : 1), shape.end()};
}

// The same as an executable says it, or as the requests that bring the input have it.
Shape shape_of_token(const py::object& packing, const std::string& name,
                     std::span<const Request* const> requests, const PackedBatch& batch) {
  if (py::isinstance<ExecutableHandle>(packing))
    return tessera::shape_of_token(py::cast<const ExecutableHandle&>(packing).executable->metadata,
                                   name);
  for (size_t i = 0; i < requests.size(); ++i)
    if (requests[i]->shapes.contains(name))
      return behind_length(*requests[i], name, batch.placements[i].length);
  return {};
}

// One input of a batch, 0 where a request leaves it out.
py::object packed_input(const PackingContract& contract, const PackedBatch& batch,
                        std::span<const Request* const> requests, const std::string& name,
                        const Shape& of_token) {
  const int64_t each = elements(of_token);
  std::vector<int32_t> cells(static_cast<size_t>(row_tokens(contract) * each));
  for (const Placement& place : batch.placements) {
    const auto& given = requests[place.request]->tokens;
    const auto found = given.find(name);
    if (found == given.end()) continue;
    if (std::ssize(found->second) != place.length * each)
      raise(Error{"request: " + name + " has " + std::to_string(found->second.size()) +
                      " numbers, must have " + std::to_string(each) + " for each of " +
                      std::to_string(place.length) + " tokens",
                  ErrorKind::Usage});
    std::ranges::copy(found->second, cells.begin() + place.start * each);
  }
  Shape shape = {contract.rows, contract.row_length};
  shape.insert(shape.end(), of_token.begin(), of_token.end());
  return int32_array(cells, shape);
}

std::vector<Request> requests_from(const py::handle& requests) {
  std::vector<Request> all;
  for (const py::handle& request : py::iter(requests)) {
    const HeldInputs held = hold_inputs(request);
    Expected<Request> read = request_from(held.views);
    if (!read)
      raise(Error{"request " + std::to_string(all.size()) + ": " + read.error().message,
                  read.error().kind, read.error().type});
    all.push_back(read.take());
  }
  return all;
}

// The tensors of one batch, for ModelRunner.run.
py::dict packed_inputs(const py::object& packing, const py::tuple& placements,
                       const py::object& requests) {
  const PackingContract contract = contract_of(packing);
  const std::vector<Request> all = requests_from(requests);
  PackedBatch batch;
  std::vector<const Request*> chosen;
  for (const py::handle& row : placements) {
    const auto [request, start, length] = py::cast<std::tuple<size_t, int64_t, int64_t>>(row);
    const auto bad = [&, at = request](const std::string& what) {
      raise(Error{"request " + std::to_string(at) + ": " + what, ErrorKind::Usage});
    };
    if (request >= all.size()) bad("is not there, must be one of the requests");
    const int64_t room = contract.rows * contract.row_length;
    if (length < 1 || length > room || start < 0 || start > room - length)
      bad("is placed outside of the batch");
    if (std::ssize(chosen) == most_requests(contract))
      bad("is one too many, must be one of at most " + std::to_string(most_requests(contract)) +
          " in a batch");
    for (const auto& [name, tokens] : all[request].tokens)
      if (std::ssize(tokens) != length * elements(behind_length(all[request], name, length)))
        bad(name + " has " + std::to_string(tokens.size()) + " tokens, must have " +
            std::to_string(length));
    batch.placements.push_back({chosen.size(), start, length});
    batch.tokens += length;
    chosen.push_back(&all[request]);
  }
  const Shape shape = {contract.rows, contract.row_length};
  py::dict inputs;
  for (const std::string& name : contract.token_inputs)
    inputs[py::str(name)] =
        packed_input(contract, batch, chosen, name, shape_of_token(packing, name, chosen, batch));
  if (!contract.mask_input.empty())
    inputs[py::str(contract.mask_input)] = int32_array(packed_mask(contract, batch), shape);
  if (!contract.position_input.empty())
    inputs[py::str(contract.position_input)] =
        int32_array(packed_positions(contract, batch), shape);
  if (contract.form != PackingForm::None && !contract.unpack_info_input.empty())
    inputs[py::str(contract.unpack_info_input)] =
        int32_array(packed_unpack_info(contract, batch), unpack_info_shape(contract));
  return inputs;
}

// Callers' requests and padded batches, as the requests that run.
struct Asked {
  std::vector<Request> requests;
  struct Call {
    size_t count = 0;                // of its requests
    std::optional<BatchSize> batch;  // nothing: it is one request
  };
  std::vector<Call> calls;
};

// `one_batch`: the only call is a batch, even if of one row.
Asked asked_of(std::vector<Request> calls, const PackingContract& contract, bool one_batch) {
  Asked asked;
  for (Request& call : calls) {
    const std::string number = std::to_string(asked.calls.size());
    const std::optional<BatchSize> batch = padded_batch(contract.ids_input, call, one_batch);
    if (!batch) {
      if (one_batch)
        raise(Error{"requests: is a request, must be a list of requests, or a padded batch whose " +
                        contract.ids_input + " is [rows,length]",
                    ErrorKind::Usage});
      call.name = number;
      asked.requests.push_back(std::move(call));
      asked.calls.push_back({1, {}});
      continue;
    }
    std::vector<Request> rows = value_of(split_rows(call, contract.ids_input));
    for (size_t row = 0; row < rows.size(); ++row) {
      rows[row].name = one_batch ? std::to_string(row) : number + ", row " + std::to_string(row);
      asked.requests.push_back(std::move(rows[row]));
    }
    asked.calls.push_back({rows.size(), batch});
  }
  return asked;
}

py::list run_requests(const ModelRunnerHandle& handle, const py::object& requests,
                      const std::string& policy, bool one_batch, bool strip_padding) {
  std::shared_ptr<ModelRunner> runner = handle.runner.get();
  const Metadata& metadata = handle.executable->metadata;
  const PackRule rule = rule_of(policy);
  std::vector<Request> calls = requests_from(requests);
  const PackingContract contract = value_of(request_contract(metadata));
  const Asked asked = asked_of(std::move(calls), contract, one_batch);
  const OfflineResult result = value_of(without_gil([&] {
    auto done = run_offline(*runner, rule, asked.requests, {.strip_padding = strip_padding});
    runner.reset();
    return done;
  }));
  py::list made;
  std::span<const Answer> answers = result.answers;
  for (size_t i = 0; i < answers.size(); ++i)
    warn_not_finite(answers[i].not_finite, "request " + asked.requests[i].name + ": ");
  for (const Asked::Call& call : asked.calls) {
    if (call.batch)
      made.append(answer_arrays(
          join_answers(metadata, contract, call.batch->width, answers.first(call.count)),
          metadata));
    else
      made.append(answer_arrays(answers[0], metadata, contract));
    answers = answers.subspan(call.count);
  }
  return made;
}

// How often each length is in a file of lengths.
py::dict read_histogram(const std::string& path) {
  const LengthHistogram histogram = value_of(without_gil([&]() -> Expected<LengthHistogram> {
    if (path.ends_with(".csv")) return read_histogram_csv(path);
    return histogram_of(TRY(read_lengths(path)));
  }));
  py::dict counts;
  for (size_t length = 0; length < histogram.counts.size(); ++length)
    if (const int64_t count = histogram.counts[length]) counts[py::int_(length)] = count;
  return counts;
}

}  // namespace

PackingContract contract_of(const py::object& packing) {
  if (py::isinstance<ExecutableHandle>(packing))
    return value_of(
        request_contract(py::cast<const ExecutableHandle&>(packing).executable->metadata));
  PackingContract contract;
  const std::string word = py::cast<std::string>(packing.attr("form"));
  const std::optional<PackingForm> form = parse_packing_form(word);
  if (!form || *form == PackingForm::None)
    raise(Error{"packing: form is '" + word + "', must be A or B", ErrorKind::Usage});
  contract.form = *form;
  contract.rows = py::cast<int64_t>(packing.attr("rows"));
  contract.row_length = py::cast<int64_t>(packing.attr("row_length"));
  contract.max_valid_num = py::cast<int64_t>(packing.attr("max_valid_num"));
  contract.segment_max_size = py::cast<int64_t>(packing.attr("segment_max_size"));
  contract.token_inputs = py::cast<std::vector<std::string>>(packing.attr("token_inputs"));
  contract.ids_input = py::cast<std::string>(packing.attr("ids_input"));
  contract.mask_input = py::cast<std::string>(packing.attr("mask_input"));
  contract.position_input = py::cast<std::string>(packing.attr("position_input"));
  contract.unpack_info_input = py::cast<std::string>(packing.attr("unpack_info_input"));
  const bool form_a = contract.form == PackingForm::A;
  if (contract.rows < 1 || contract.row_length < 1 || contract.segment_max_size < 1 ||
      contract.segment_max_size > contract.row_length || contract.max_valid_num < (form_a ? 1 : 0))
    raise(
        Error{"packing: rows, row_length and segment_max_size must be positive, segment_max_size "
              "at most row_length, and form A must have a max_valid_num",
              ErrorKind::Usage});
  if (!form_a && !contract.unpack_info_input.empty() && contract.max_valid_num < 1)
    raise(Error{"packing: form B with an unpack_info_input must have a max_valid_num",
                ErrorKind::Usage});
  check(check_contract(contract));
  return contract;
}

void bind_packing(py::module_& module) {
  module.def("pack", pack);
  module.def("packed_inputs", packed_inputs);
  module.def("run_requests", run_requests);
  module.def("read_histogram", read_histogram);
  std::vector<std::string> names;
  for (const PackPolicy policy : all_policies()) names.emplace_back(to_string(policy));
  module.attr("policies") = py::tuple(py::cast(names));
}

}  // namespace tessera::python

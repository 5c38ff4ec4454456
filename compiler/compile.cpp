// SPDX-License-Identifier: Apache-2.0
#include "compiler/compile.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "codelets/codelet.h"
#include "compiler/contract.h"
#include "compiler/convert.h"
#include "compiler/declared_types.h"
#include "compiler/lengths.h"
#include "compiler/lower/lower.h"
#include "compiler/onnx/export/export.h"
#include "compiler/onnx/import/import.h"
#include "compiler/op_types.h"
#include "compiler/packing_text.h"
#include "compiler/parallel.h"
#include "compiler/replicas.h"
#include "compiler/report.h"
#include "compiler/shard_to_fit.h"
#include "cost/cost.h"
#include "cost/host_io.h"
#include "passes/known_inputs.h"
#include "passes/pipeline.h"
#include "program/isolation.h"
#include "program/verify.h"
#include "support/check.h"
#include "support/fault.h"
#include "support/guard.h"
#include "support/math.h"
#include "support/plain_text.h"
#include "support/sha256.h"

namespace tessera {
namespace {

// Announces each phase and takes its time.
class PhaseClock {
 public:
  PhaseClock(std::vector<Phase>& phases, const CompileProgress& progress)
      : phases_(phases), progress_(progress) {}

  template <class F>
  auto run(const char* name, F body) {
    if (progress_) progress_(name);
    const auto start = std::chrono::steady_clock::now();
    auto result = body();
    const std::chrono::duration<double, std::milli> spent =
        std::chrono::steady_clock::now() - start;
    phases_.push_back({name, spent.count()});
    return result;
  }

 private:
  std::vector<Phase>& phases_;
  const CompileProgress& progress_;
};

PassState pass_state(const CompileOptions& options) {
  PassState state;
  state.limits = options.limits;
  state.options.fp16 = options.precision != Precision::Fp32;
  state.options.fp8_weights_alone = options.precision == Precision::Fp8Weight;
  state.options.fp8 = options.precision == Precision::Fp8 || state.options.fp8_weights_alone;
  state.options.fp8_params = options.fp8_params;
  state.options.fp8_by_name = options.fp8_op_params;
  state.options.fp8_skip = {options.fp8_skip_op_names.begin(), options.fp8_skip_op_names.end()};
  for (const std::string& type : options.fp16_skip_op_types)
    state.options.fp32_ops.insert(op_of_type(type).value());  // check_options has checked it
  state.options.fp32_nodes = {options.fp16_skip_nodes.begin(), options.fp16_skip_nodes.end()};
  if (options.pack_args) {
    state.options.packing = is_form_b(options) ? PackingForm::B : PackingForm::A;
    state.options.max_valid_num = options.pack_args->max_valid_num;
    state.options.segment_max_size = options.pack_args->segment_max_size;
  }
  return state;
}

Expected<Converted> run_converter(const std::string& model_path, const CompileOptions& options,
                                  const Deadline& deadline, PhaseClock& clock) {
  TRY(check_options(options));
  std::optional<OpenModel> file;
  ImportedModel model = TRY(clock.run("import", [&]() -> Expected<ImportedModel> {
    file = TRY(OpenModel::open(model_path, options.limits));
    return file->import(options.input_shape, options.limits, &deadline);
  }));
  PassState state = pass_state(options);
  state.deadline = &deadline;
  state.options.declared = declared_ranges(model.model_dtypes, model.graph);
  const auto adds = [&](const char* pass) {
    return std::ranges::find(options.passes, pass) != options.passes.end();
  };
  const bool is_packed = options.pack_args || adds("insert_packing") || is_form_b(options);
  struct Numbers {
    std::string of_length, of_rows;
  };
  const Numbers numbers = TRY(clock.run("lengths", [&]() -> Expected<Numbers> {
    return Numbers{TRY(number_of_length(model.graph, *file, options, is_packed, deadline)),
                   TRY(number_of_rows(model.graph, *file, options, deadline))};
  }));
  Expected<std::vector<PassTiming>> passes = clock.run("passes", [&] {
    const auto as_set = [](const std::vector<std::string>& names) {
      return std::set<std::string>(names.begin(), names.end());
    };
    return run_passes(model.graph, state, as_set(options.passes), as_set(options.skip_passes),
                      options.dump_passes);
  });
  if (!passes) {
    Error error = passes.error();
    if (error.kind != ErrorKind::Usage) error.message = model_path + ": " + error.message;
    return error;
  }
  Converted converted{.graph = std::move(model.graph),
                      .packing = {},
                      .model_dtypes = std::move(model.model_dtypes),
                      .source_sha256 = model.sha256,
                      .warnings = std::move(model.warnings),
                      .passes = {},
                      .kept = std::move(state.kept)};
  for (const std::string& warning : state.warnings)
    converted.warnings.push_back(model_path + ": " + warning);
  Expected<PackingContract> packing =
      contract_of(converted.graph, state, model.packing, numbers.of_length, numbers.of_rows);
  if (!packing) return Error{model_path + ": " + packing.error().message, packing.error().kind};
  converted.packing = packing.take();
  for (const PassTiming& pass : *passes) {
    if (pass.changed) converted.passes.push_back(pass.name);
  }
  return converted;
}

using InputBounds = std::map<std::string, IntegerBound>;

// A mask of keys is 0 or 1: the model may make more of a 2, attention does not. So is one that is
// added where some of the graph is in half precision. Where requests share rows it holds their
// numbers.
void add_masks(InputBounds& bounds, const Converted& converted) {
  if (converted.packing.form != PackingForm::None) return;
  const KnownInputs known = known_inputs(converted.graph);
  const auto add = [&](const Node* mask, const Node* by) {
    if (known.limits.contains(mask)) return;  // ids: their own number is asked whether it is 0
    const std::string& name = by->origin.empty() ? by->name : by->origin.back();
    bounds[mask->name] = {.most = 1, .node = name, .least = 0};
  };
  const bool in_half = std::ranges::any_of(
      converted.graph.nodes(), [](const auto& node) { return node->type.dtype == DType::F16; });
  if (in_half)
    for (const auto& [mask, product] : known.penalties) add(mask, product);
  for (const auto& [mask, attention] : known.key_masks) add(mask, attention);
}

std::vector<Anchor> anchors_of(const Program& program, const Converted& converted,
                               InputBounds bounds) {
  add_masks(bounds, converted);
  const std::map<std::string, int64_t> limits = index_limits(converted.graph);
  std::vector<Anchor> anchors;
  const auto add = [&](VariableId id, AnchorKind kind, const std::string& name) {
    const Variable& variable = program.variables[static_cast<size_t>(id)];
    Anchor anchor{.name = name,
                  .kind = kind,
                  .dtype = variable.dtype,
                  .shape = variable.shape,
                  .model_dtype = declared_dtype(converted.model_dtypes, name, variable.dtype)};
    const auto limit = limits.find(name);
    if (kind == AnchorKind::Input && limit != limits.end()) anchor.index_limit = limit->second;
    if (const auto bound = bounds.find(name); kind == AnchorKind::Input && bound != bounds.end()) {
      anchor.size_limit = bound->second.most;
      if (bound->second.least != -bound->second.most) anchor.size_least = bound->second.least;
      anchor.limited_by = bound->second.node;
    }
    anchors.push_back(std::move(anchor));
  };
  for (size_t i = 0; i < program.inputs.size(); ++i)
    add(program.inputs[i], AnchorKind::Input, converted.graph.inputs[i]->name);
  for (size_t i = 0; i < program.outputs.size(); ++i)
    add(program.outputs[i], AnchorKind::Output, converted.graph.outputs[i].name);
  return anchors;
}

Metadata metadata_of(const Program& program, const Converted& converted,
                     const CompileOptions& options, const InputBounds& bounds) {
  Metadata metadata;
  metadata.compiler_version = TESSERA_VERSION;
  metadata.model_name =
      visible(converted.graph.name);  // and not the file's, which says nothing of it
  metadata.source_sha256 = converted.source_sha256;
  metadata.options = to_string(options);
  metadata.options_sha256 = to_hex(sha256(metadata.options));
  metadata.anchors = anchors_of(program, converted, bounds);
  metadata.packing = converted.packing;
  metadata.num_ipus = program.target.ipus;
  join_shares(metadata, options.replication_factor);
  return metadata;
}

Status add_costs(CompileResult& result, const Converted& converted, const Limits& limits,
                 const Deadline& deadline) {
  Executable& executable = result.executable;
  const Program& program = executable.program;
  WorkLimit for_cost(limits, deadline), for_memory(limits, deadline);
  const ProgramCost cost = TRY(program_cost(program, for_cost));
  const MemoryReport memory = TRY(program_memory(program, for_memory));
  const size_t fullest = memory.fullest.value;
  executable.metadata.cycles = {.total = cost.total.value,
                                .compute = cost.compute.value,
                                .rearrange = cost.rearrange.value,
                                .exchange = cost.exchange.value,
                                .sync = cost.sync.value,
                                .seconds_per_batch = cost.seconds_per_batch};
  executable.metadata.memory = {.peak_bytes = memory.peak_by_tile[fullest],
                                .peak_tile = static_cast<int64_t>(fullest),
                                .peak_superstep = memory.peak_superstep,
                                .always_live_bytes = memory.always_live_by_tile[fullest],
                                .fits = memory.fits};
  executable.report = report_json(executable, converted.passes, converted.kept, cost, memory);
  if (!memory.fits) result.out_of_memory = out_of_memory_error(program, memory);
  return deadline.check("cost");
}

// I/O tiles are beside those that compute. Interleaved memory feeds the matrix unit and a sum of
// partials 16 bytes a cycle.
LowerOptions lower_options(const CompileOptions& options) {
  constexpr int64_t kInterleavedBytes = 16;
  LowerOptions lowering{options.target, options.partials_type == PartialsType::Half,
                        options.available_memory_proportion, options.limits};
  Target& target = lowering.target;
  target.tiles -= options.num_io_tiles;
  target.ipus = ipus_of_replica(options);
  lowering.replicas = options.replication_factor;
  if (options.use_128bit_conv_unit_load) target.weight_load_bytes_per_cycle = kInterleavedBytes;
  if (options.enable_fast_reduce) target.partials_load_bytes_per_cycle = kInterleavedBytes;
  return lowering;
}

// A Program whose regions take too long to compare does not fit: the verifier would refuse it.
Expected<bool> fits(const Program& program, const Limits& limits, const Deadline& deadline) {
  WorkLimit work(limits, deadline);
  const Expected<MemoryReport> memory = program_memory(program, work);
  TRY(deadline.check("lower"));
  return memory.ok() && memory->fits;
}

// Lowers with the share of a tile that was asked for, as Poplar does, or, with --fit, where the
// tiles do not hold that, with the largest smaller one that they hold. Planning takes milliseconds,
// so the shares are tried in turn.
Expected<Lowered> lower_to_fit(const Graph& graph, LowerOptions options, const Deadline& deadline) {
  Lowered first = TRY(lower(graph, options, &deadline));
  if (!options.fit || !first.plans_by_share || TRY(fits(first.program, options.limits, deadline)))
    return first;
  constexpr double kSmallestShare = 0.05;
  for (options.available_memory_proportion *= 0.8;
       options.available_memory_proportion >= kSmallestShare;
       options.available_memory_proportion *= 0.8) {
    Lowered smaller = TRY(lower(graph, options, &deadline));
    if (TRY(fits(smaller.program, options.limits, deadline))) return smaller;
  }
  return first;
}

Expected<Lowered> lower_as_asked(const Graph& graph, LowerOptions lowering,
                                 const CompileOptions& options, const Deadline& deadline) {
  if (!is_cut(options)) return lower_to_fit(graph, std::move(lowering), deadline);
  return shard_to_fit(graph, lowering, options, deadline, lower_to_fit);
}

// I/O tiles hold streams and nothing else.
Status check_io_tiles(const Program& program) {
  const Target& target = program.target;
  const int64_t room = target.bytes_per_tile - target.reserved_bytes;
  if (io_tile_bytes(program) <= room) return {};
  return Error{"num_io_tiles: each of " + std::to_string(program.host.io_tiles) + " would hold " +
                   std::to_string(io_tile_bytes(program)) + " bytes of streams, must be at most " +
                   std::to_string(room) + ": take " +
                   std::to_string(ceil_div(2 * stream_bytes(program), room)) + " or more",
               ErrorKind::Usage};
}

Expected<CompileResult> compile_converted(Converted converted, const CompileOptions& options,
                                          const Deadline& deadline, PhaseClock& clock) {
  CompileResult result;
  TRY(check_use_of_ipus(options));
  TRY(check_shares(converted, options.replication_factor));
  LowerOptions lowering = lower_options(options);
  lowering.fit = options.fit;
  lowering.declared = declared_ranges(converted.model_dtypes, converted.graph);
  Lowered lowered = TRY(clock.run("lower", [&] {
    return lower_as_asked(converted.graph, std::move(lowering), options, deadline);
  }));
  result.planned_proportion = lowered.planned_proportion;
  Executable& executable = result.executable;
  executable.program = std::move(lowered.program);
  executable.program.host = {options.batches_per_step, options.num_io_tiles, options.prefetch};
  TRY(check_io_tiles(executable.program));
  executable.constants = std::move(lowered.constants);
  const Status sound = clock.run("verify", [&] {
    return verify_program(executable.program, check_compute_set, options.limits, deadline);
  });
  if (!sound && sound.error().kind == ErrorKind::Refused) return sound.error();
  if (!sound)
    return Error{internal_error("the compiled program is wrong: " + sound.error().message)};
  executable.metadata = metadata_of(executable.program, converted, options, lowered.input_bounds);
  TRY(clock.run("cost", [&] { return add_costs(result, converted, options.limits, deadline); }));
  result.warnings = std::move(converted.warnings);
  return result;
}

// Weights may stay in the files that they were mapped from, until they are folded or written.
Status check_files(int64_t broken_before) {
  if (broken_mappings() == broken_before) return {};
  return Error{"a file of the model was cut off while it was compiled, must stay as it is",
               ErrorKind::BadFile};
}

}  // namespace

Expected<Converted> convert(const std::string& model_path, const CompileOptions& options) {
  return guarded(model_path, [&]() -> Expected<Converted> {
    std::vector<Phase> phases;
    const CompileProgress silent;
    PhaseClock clock(phases, silent);
    const int64_t broken = broken_mappings();
    Converted converted = TRY(run_converter(model_path, options, Deadline(options.limits), clock));
    TRY(check_files(broken));
    return converted;
  });
}

Status write_converted(const Converted& converted, const std::string& path) {
  return guarded(path, [&] {
    return export_onnx(converted.graph, converted.model_dtypes, path,
                       packing_text(converted.packing));
  });
}

Expected<CompileResult> compile_graph(Converted converted, const CompileOptions& options,
                                      const CompileProgress& progress) {
  return guarded(converted.graph.name, [&]() -> Expected<CompileResult> {
    TRY(check_options(options));
    std::vector<Phase> phases;
    PhaseClock clock(phases, progress);
    CompileResult result = TRY(compile_converted(std::move(converted), options,
                                                 Deadline(options.limits, progress), clock));
    result.phases = std::move(phases);
    return result;
  });
}

Status check_label(const std::string& label) {
  constexpr size_t kLongest = 1000;
  if (label.size() > kLongest)
    return Error{"label: has " + std::to_string(label.size()) + " bytes, must have at most 1,000",
                 ErrorKind::Usage};
  if (is_plain_text(label)) return {};
  return Error{"label: '" + visible(label) + "', must be UTF-8 without control characters",
               ErrorKind::Usage};
}

Expected<CompileResult> compile(const std::string& model_path, const CompileOptions& options,
                                const CompileProgress& progress) {
  if (options.parallel == Parallel::Auto) return compile_in_parallel(model_path, options, progress);
  return guarded(model_path, [&]() -> Expected<CompileResult> {
    std::vector<Phase> phases;
    PhaseClock clock(phases, progress);
    const int64_t broken = broken_mappings();
    const Deadline deadline(options.limits, progress);
    TRY(check_options(options));
    const CompileOptions share = TRY(options_of_share(options));
    Converted converted = TRY(run_converter(model_path, share, deadline, clock));
    auto compiled = compile_converted(std::move(converted), options, deadline, clock);
    if (!compiled && compiled.error().kind != ErrorKind::Usage) {
      const Error& error = compiled.error();
      return Error{model_path + ": " + error.message, error.kind, error.type};
    }
    CompileResult result = TRY(std::move(compiled));
    TRY(check_files(broken));
    result.phases = std::move(phases);
    return result;
  });
}

}  // namespace tessera

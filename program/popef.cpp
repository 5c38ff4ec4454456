// SPDX-License-Identifier: Apache-2.0
#include "program/popef.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <unordered_set>

#include "program/blobs.h"
#include "program/made_by.h"
#include "program/messages.h"
#include "program/popef_file.h"
#include "support/guard.h"
#include "support/lines.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

constexpr std::string_view kMetadataName = "metadata";
constexpr std::string_view kReportName = "report";
constexpr int64_t kMostReplicas = 4096;

// A limit that is not enough is not the file's fault.
Error bad(const std::string& path, const Error& error) {
  const bool refused = error.kind == ErrorKind::Refused;
  return {path + ": " + error.message, refused ? ErrorKind::Refused : ErrorKind::BadFile,
          error.type};
}

// By constant: the variable that has it.
std::vector<const Variable*> constants_of(const Program& program) {
  std::vector<const Variable*> constants;
  for (const Variable& variable : program.variables)
    if (variable.kind == VariableKind::Constant) constants.push_back(&variable);
  std::sort(constants.begin(), constants.end(),
            [](const Variable* a, const Variable* b) { return a->constant < b->constant; });
  return constants;
}

// --- Does the metadata describe this program? ---

using Names = std::unordered_set<std::string_view>;

// A model may hand an input on as an output of the same name, but variables have their names alone:
// such an output's variable may have any.
bool is_handed_on(const Anchor& anchor, const Names& inputs) {
  return anchor.kind == AnchorKind::Output && inputs.contains(anchor.name);
}

Status check_anchor(const Anchor& anchor, const Variable& variable, AnchorKind kind,
                    const Names& inputs, int64_t replicas) {
  const TensorType is{anchor.dtype, anchor.shape};
  const TensorType must{variable.dtype, of_all_replicas(variable.shape, replicas)};
  const bool named = anchor.name == variable.name || is_handed_on(anchor, inputs);
  if (!named || anchor.kind != kind || is != must)
    return Error{fmt::format("anchor '{}' is {}, must be '{}', {}", anchor.name, to_string(is),
                             variable.name, to_string(must))};
  if (anchor.index_limit < 0)
    return Error{fmt::format("anchor '{}': index limit is {}, must not be negative", anchor.name,
                             anchor.index_limit)};
  if (anchor.size_limit < 0)
    return Error{fmt::format("anchor '{}': size limit is {}, must not be negative", anchor.name,
                             anchor.size_limit)};
  if (anchor.size_least.value_or(0) > 0)
    return Error{fmt::format("anchor '{}': size least is {}, must not be positive", anchor.name,
                             *anchor.size_least)};
  return {};
}

Status check_anchors(const Program& program, const Metadata& metadata) {
  const std::vector<Anchor>& anchors = metadata.anchors;
  const size_t inputs = program.inputs.size();
  if (anchors.size() != inputs + program.outputs.size())
    return Error{fmt::format("{} anchors, must be {} inputs and {} outputs", anchors.size(), inputs,
                             program.outputs.size())};
  Names of_inputs, of_outputs;
  for (size_t i = 0; i < anchors.size(); ++i) {
    const bool is_input = i < inputs;
    const VariableId id = is_input ? program.inputs[i] : program.outputs[i - inputs];
    TRY(check_anchor(anchors[i], program.variables[static_cast<size_t>(id)],
                     is_input ? AnchorKind::Input : AnchorKind::Output, of_inputs,
                     metadata.replication_factor));
    if (!(is_input ? of_inputs : of_outputs).insert(anchors[i].name).second)
      return Error{fmt::format("anchor '{}' is there twice, must be once", anchors[i].name)};
  }
  return {};
}

const Anchor* find_anchor(const Metadata& metadata, AnchorKind kind, std::string_view name) {
  for (const Anchor& anchor : metadata.anchors)
    if (anchor.kind == kind && anchor.name == name) return &anchor;
  return nullptr;
}

bool begins_with(const Shape& shape, const Shape& front) {
  return shape.size() >= front.size() && std::equal(front.begin(), front.end(), shape.begin());
}

// A runner will write rows x columns values into this input, so it must hold them.
Status check_packed_input(const Metadata& metadata, std::string_view name, const Shape& shape) {
  const Anchor* anchor = find_anchor(metadata, AnchorKind::Input, name);
  if (anchor != nullptr && anchor->shape == shape) return {};
  return Error{fmt::format("packing: '{}' must be an input {}", name, to_string(shape))};
}

// Further axes hold what a token has several of.
Status check_token_input(const Metadata& metadata, std::string_view name) {
  const Shape batch = {metadata.packing.rows, metadata.packing.row_length};
  const Anchor* anchor = find_anchor(metadata, AnchorKind::Input, name);
  if (anchor != nullptr && begins_with(anchor->shape, batch)) return {};
  return check_packed_input(metadata, name, batch);
}

// Lengths and starts, which are looked at as integers before every run.
Status check_unpack_info(const Metadata& metadata) {
  const PackingContract& packing = metadata.packing;
  TRY(check_packed_input(metadata, packing.unpack_info_input, unpack_info_shape(packing)));
  const Anchor* anchor = find_anchor(metadata, AnchorKind::Input, packing.unpack_info_input);
  if (anchor->dtype == DType::I32) return {};
  return Error{fmt::format("packing: '{}' is {}, must be i32", packing.unpack_info_input,
                           to_string(anchor->dtype))};
}

Status check_packing_names(const PackingContract& packing) {
  std::vector<std::string_view> names = {packing.ids_input, packing.mask_input,
                                         packing.position_input, packing.unpack_info_input};
  for (const std::string& name : packing.token_inputs) names.push_back(name);
  for (const PackingContract::OutputRule& rule : packing.outputs) names.push_back(rule.name);
  names.push_back(packing.why_no_less);
  for (const std::string_view name : names)
    if (!is_plain_text(name))
      return Error{"packing: a name is not UTF-8 without control characters, must be"};
  if (packing.form != PackingForm::None || packing.unpack_info_input.empty()) return {};
  return Error{
      fmt::format("packing: '{}' is an unpack_info, must be none where nothing is unpacked",
                  packing.unpack_info_input)};
}

Status check_packed_output(const Metadata& metadata, const PackingContract::OutputRule& rule) {
  const PackingContract& packing = metadata.packing;
  const Anchor* anchor = find_anchor(metadata, AnchorKind::Output, rule.name);
  const bool is_packed = packing.form != PackingForm::None;
  const bool unpacked = packing.form == PackingForm::A || (is_packed && rule.per_request);
  const int64_t first = unpacked ? packing.max_valid_num : packing.rows;
  const int64_t second = unpacked ? packing.segment_max_size : packing.row_length;
  if (anchor != nullptr && (rule.per_request ? begins_with(anchor->shape, {first})
                                             : begins_with(anchor->shape, {first, second})))
    return {};
  return Error{fmt::format("packing: '{}' must be an output [{}{}…]", rule.name, first,
                           rule.per_request ? "," : fmt::format(",{},", second))};
}

Status check_packing(const Metadata& metadata) {
  const PackingContract& packing = metadata.packing;
  for (int64_t size :
       {packing.rows, packing.row_length, packing.max_valid_num, packing.segment_max_size})
    if (size < 0 || size > kMaxElements)
      return Error{fmt::format("packing: a size is {}, must be 0 to 2^40", size)};
  TRY(check_packing_names(packing));
  const bool is_packed = packing.form != PackingForm::None;
  if (!is_packed && packing.ids_input.empty()) return {};  // no request to speak of
  if (packing.rows < 1 || packing.row_length < 1)
    return Error{"packing: rows and row length must be positive"};
  for (const std::string& name : packing.token_inputs) TRY(check_token_input(metadata, name));
  TRY(check_packed_input(metadata, packing.ids_input, {packing.rows, packing.row_length}));
  if (std::count(packing.token_inputs.begin(), packing.token_inputs.end(), packing.ids_input) != 1)
    return Error{fmt::format("packing: '{}' must be one of the token inputs", packing.ids_input)};
  for (const PackingContract::OutputRule& rule : packing.outputs)
    TRY(check_packed_output(metadata, rule));
  if (!is_packed) return {};
  for (const std::string& name : {packing.mask_input, packing.position_input})
    if (!name.empty()) TRY(check_packed_input(metadata, name, {packing.rows, packing.row_length}));
  const bool unpacks =
      packing.form == PackingForm::A || !packing.unpack_info_input.empty() ||
      std::ranges::any_of(packing.outputs, &PackingContract::OutputRule::per_request);
  if (!unpacks) return {};
  if (packing.max_valid_num < 1 || packing.segment_max_size < 1)
    return Error{"packing: max_valid_num and segment_max_size must be positive"};
  return check_unpack_info(metadata);
}

Status check_text(std::string_view text) {
  for (size_t begin = 0; begin <= text.size();) {  // by line: options may have several
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (!is_plain_text(text.substr(begin, end - begin)))
      return Error{"a text is not UTF-8 without control characters, must be"};
    begin = end + 1;
  }
  return {};
}

Status check_metadata(const Program& program, const Metadata& metadata) {
  for (const std::string* text :
       {&metadata.compiler_version, &metadata.model_name, &metadata.label, &metadata.source_sha256,
        &metadata.options, &metadata.options_sha256, &metadata.memory.peak_superstep})
    TRY(check_text(*text));
  for (const Anchor& anchor : metadata.anchors) TRY(check_text(anchor.model_dtype));
  if (metadata.device_iterations != 1) return Error{"deviceIterations must be 1"};
  const int64_t replicas = metadata.replication_factor;
  if (replicas < 1 || replicas > kMostReplicas)
    return Error{fmt::format("replicationFactor is {}, must be 1 to {}", replicas, kMostReplicas)};
  if (metadata.num_ipus != program.target.ipus * replicas)
    return Error{fmt::format("numIpus is {}, must be {}, of each of {} replicas {}",
                             metadata.num_ipus, program.target.ipus * replicas, replicas,
                             program.target.ipus)};
  if (const double seconds = metadata.cycles.seconds_per_batch;
      !(seconds >= 0 && std::isfinite(seconds)))
    return Error{fmt::format("a batch takes {} s, must be finite and not negative", seconds)};
  for (const Variable& variable : program.variables) {
    const bool is_anchor =
        variable.kind == VariableKind::Input || variable.kind == VariableKind::Output;
    if (replicas > 1 && is_anchor && variable.shape.empty())
      return Error{fmt::format("'{}' has no rows that {} replicas could share, must have",
                               variable.name, replicas)};
  }
  TRY(check_anchors(program, metadata));
  return check_packing(metadata);
}

Status check_constant(const Variable& variable, std::span<const std::byte> bytes) {
  if (static_cast<int64_t>(bytes.size()) == variable.bytes()) return {};
  return Error{fmt::format("has {} bytes, must have the {} of {}{}", bytes.size(), variable.bytes(),
                           to_string(variable.dtype), to_string(variable.shape))};
}

// --- Reading, once the blobs are sound ---

class Reader {
 public:
  Reader(std::shared_ptr<const MappedFile> owner, const BlobFile& file, const Limits& limits)
      : owner_(std::move(owner)), file_(file), limits_(limits) {}

  Expected<Executable> run(const CheckComputeSet& check) {
    TRY(of_version(in_blob(read_program(check))));
    TRY(of_version(in_blob(read_metadata())));
    for (const Variable* variable : constants_of(executable_.program))
      TRY(in_blob(read_constant(*variable)));
    if (next_ < file_.blobs.size()) TRY(in_blob(read_report()));
    if (next_ < file_.blobs.size())
      return Error{fmt::format("{}: follows the last blob of the executable, must not be there",
                               blob_title(next_, file_.blobs[next_]))};
    executable_.sha256 = to_hex(file_.sha256);
    return std::move(executable_);
  }

 private:
  // Reads the blob at hand, and goes on to the next.
  Status in_blob(const Status& status) {
    const size_t index = next_++;
    if (status.ok()) return {};
    const std::string title = index < file_.blobs.size() ? blob_title(index, file_.blobs[index])
                                                         : fmt::format("blob {}", index);
    return Error{title + ": " + status.error().message, status.error().kind, status.error().type};
  }

  // A file that the version that made it reads is not a bad one there.
  Status of_version(const Status& status) const {
    if (status.ok() || status.error().kind == ErrorKind::Refused) return status;
    for (const BlobView& blob : file_.blobs) {
      if (blob.type != BlobType::Metadata) continue;
      return Error{status.error().message + another_version(blob.content), status.error().kind,
                   status.error().type};
    }
    return status;
  }

  Expected<std::span<const std::byte>> content(BlobType type, std::string_view name) const {
    if (next_ == file_.blobs.size())
      return Error{fmt::format("is missing, must be {} '{}'", to_string(type), name)};
    const BlobView& blob = file_.blobs[next_];
    if (blob.type == type && blob.name == name) return blob.content;
    return Error{fmt::format("must be {} '{}'", to_string(type), name)};
  }

  Status read_program(const CheckComputeSet& check) {
    const std::string name = to_hex(file_.blobs[0].content_sha256);
    executable_.program = TRY(program_from(TRY(content(BlobType::Executable, name)), limits_));
    return verify_program(executable_.program, check, limits_);
  }

  Status read_metadata() {
    ReadMetadata read =
        TRY(metadata_from(TRY(content(BlobType::Metadata, kMetadataName)), limits_));
    if (read.executable != file_.blobs[0].name)
      return Error{fmt::format("describes executable '{}', must describe '{}'", read.executable,
                               file_.blobs[0].name)};
    executable_.metadata = std::move(read.metadata);
    return check_metadata(executable_.program, executable_.metadata);
  }

  Status read_constant(const Variable& variable) {
    const auto bytes = TRY(content(BlobType::TensorData, variable.name));
    executable_.constants.push_back({owner_, bytes});
    return check_constant(variable, bytes);
  }

  Status read_report() {
    const auto bytes = TRY(content(BlobType::Opaque, kReportName));
    executable_.report.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return check_json(executable_.report);
  }

  std::shared_ptr<const MappedFile> owner_;
  const BlobFile& file_;
  const Limits& limits_;
  Executable executable_;
  size_t next_ = 0;  // the blob at hand
};

template <class T>
Expected<T> at(const std::string& path, Expected<T> result) {
  if (result.ok()) return result;
  return bad(path, result.error());
}

// `put` makes a file of what it is given to write.
Expected<uint64_t> write_unguarded(Executable& executable,
                                   const std::function<Status(const WriteContent&)>& put) {
  const Program& program = executable.program;
  TRY(check_metadata(program, executable.metadata));
  const auto constants = constants_of(program);
  CHECK(constants.size() == executable.constants.size());

  const std::string program_bytes = to_bytes(program);
  const Sha256 program_sha256 = sha256(program_bytes);
  const std::string metadata_bytes = to_bytes(executable.metadata, to_hex(program_sha256));
  std::vector<BlobView> blobs;
  const auto add = [&blobs](BlobType type, std::string name, std::span<const std::byte> content) {
    blobs.push_back({type, std::move(name), content, {}, 0});
  };
  add(BlobType::Executable, to_hex(program_sha256), std::as_bytes(std::span(program_bytes)));
  add(BlobType::Metadata, std::string(kMetadataName), std::as_bytes(std::span(metadata_bytes)));
  for (size_t i = 0; i < constants.size(); ++i) {
    CHECK(check_constant(*constants[i], executable.constants[i].bytes).ok());
    add(BlobType::TensorData, constants[i]->name, executable.constants[i].bytes);
  }
  if (!executable.report.empty())
    add(BlobType::Opaque, std::string(kReportName), std::as_bytes(std::span(executable.report)));

  uint64_t bytes = 0;
  const auto write = [&](const Sink& sink) -> Status {
    const BlobFile file = TRY(write_blobs(std::move(blobs), sink));
    for (const Blob& constant : executable.constants)
      if (!is_whole(constant.bytes))
        return Error{"the file of a constant was cut off, must not be"};
    executable.sha256 = to_hex(file.sha256);
    bytes = file_bytes(file);
    return {};
  };
  TRY(put(write));
  return bytes;
}

Expected<Executable> read_unguarded(const PopefFile& from, const CheckComputeSet& check,
                                    const Limits& limits) {
  TRY(check_limit(limits, &Limits::memory, std::ssize(from.file->bytes()), from.path));
  TRY(check_signature(from));
  const BlobFile file = TRY(at(from.path, walk_blobs(from.file->bytes())));
  TRY(at(from.path, check_contents(file)));
  auto read = at(from.path, Reader(from.file, file, limits).run(check));
  TRY(from.file->check());
  return read;
}

Expected<std::vector<BlobInfo>> list_unguarded(const PopefFile& from) {
  TRY(check_signature(from));
  Expected<BlobFile> walked = at(from.path, walk_blobs(from.file->bytes()));
  TRY(from.file->check());  // what was cut off reads as zeros, and is no fault of its maker
  const BlobFile file = TRY(walked);
  std::vector<BlobInfo> infos;
  for (const BlobView& blob : file.blobs)
    infos.push_back({std::string(to_string(blob.type)), blob.name, to_hex(blob.content_sha256),
                     blob.offset, blob.content.size()});
  return infos;
}

}  // namespace

std::string Anchor::must_be(int32_t value) const {
  if (index_limit > 0 && (value < 0 || value >= index_limit))
    return fmt::format("0..{}", index_limit - 1);
  const int64_t least = size_least.value_or(-size_limit);
  if (size_limit == 0 || (value >= least && value <= size_limit)) return "";
  const std::string why = limited_by.empty()
                              ? fmt::format("the model declares {}", model_dtype)
                              : fmt::format("node '{}' computes with it in 32 bits", limited_by);
  return fmt::format("{}..{}, as {}", least, size_limit, why);
}

Expected<uint64_t> write_popef(Executable& executable, const std::string& path, Sync sync) {
  return guarded(path, [&] {
    return write_unguarded(executable, [&](const WriteContent& write) {
      return write_file_atomic(path, write, sync);
    });
  });
}

Shape of_all_replicas(Shape shape, int64_t replicas) {
  if (!shape.empty()) shape[0] *= replicas;
  return shape;
}

Expected<uint64_t> write_popef_in(Executable& executable, int folder, const std::string& name,
                                  const std::string& path, Sync sync, mode_t mode) {
  return guarded(path, [&] {
    return write_unguarded(executable, [&](const WriteContent& write) {
      return write_file_atomic_in(folder, name, path, write, sync, mode);
    });
  });
}

Expected<Executable> read_popef(const PopefFile& from, const CheckComputeSet& check,
                                const Limits& limits) {
  return guarded(from.path, [&] { return read_unguarded(from, check, limits); });
}

Expected<Executable> read_popef(const std::string& path, const CheckComputeSet& check,
                                const Limits& limits) {
  return read_popef(TRY(open_popef(path)), check, limits);
}

Expected<std::vector<BlobInfo>> list_blobs(const PopefFile& from) {
  return guarded(from.path, [&] { return list_unguarded(from); });
}

Expected<std::vector<BlobInfo>> list_blobs(const std::string& path) {
  return list_blobs(TRY(open_popef(path)));
}

}  // namespace tessera

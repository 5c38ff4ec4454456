// SPDX-License-Identifier: Apache-2.0
#include "program/messages.h"
#include "program/messages_common.h"

namespace tessera {
namespace {

constexpr uint32_t kLoad = 0, kMain = 1;  // a Program's two entry points

void write(const Anchor& anchor, popef::Anchor& message) {
  message.set_name(anchor.name);
  message.set_type(anchor.kind == AnchorKind::Input ? popef::Anchor::INPUT : popef::Anchor::OUTPUT);
  message.add_programs(kMain);
  message.set_model_data_type(anchor.model_dtype);
  message.set_index_limit(anchor.index_limit);
  message.set_size_limit(anchor.size_limit);
  if (anchor.size_least) message.set_size_least(*anchor.size_least);
  message.set_limited_by(anchor.limited_by);
  popef::TensorInfo& info = *message.mutable_tensor_info();
  assign(info.mutable_shape(), anchor.shape);
  info.set_data_type(to_message(anchor.dtype));
  info.set_size_in_bytes(TensorType{anchor.dtype, anchor.shape}.bytes());
}

Expected<Anchor> read(const popef::Anchor& message) {
  Anchor anchor;
  anchor.name = message.name();
  if (message.type() != popef::Anchor::INPUT && message.type() != popef::Anchor::OUTPUT)
    return Error{"anchor '" + anchor.name + "' has type " + std::to_string(message.type()) +
                 ", must be 1 or 2"};
  anchor.kind = message.type() == popef::Anchor::INPUT ? AnchorKind::Input : AnchorKind::Output;
  anchor.dtype = TRY(dtype_from(message.tensor_info().data_type()));
  anchor.shape = vector_of<int64_t>(message.tensor_info().shape());
  anchor.model_dtype = message.model_data_type();
  anchor.index_limit = message.index_limit();
  anchor.size_limit = message.size_limit();
  if (message.has_size_least()) anchor.size_least = message.size_least();
  anchor.limited_by = message.limited_by();
  if (!is_valid_shape(anchor.shape))
    return Error{"anchor '" + anchor.name + "' has shape " + to_string(anchor.shape) +
                 ", must have rank 0 to 8 and at most 2^40 elements"};
  return anchor;
}

popef::Packing::Form to_message(PackingForm form) {
  switch (form) {
    case PackingForm::None: return popef::Packing::NONE;
    case PackingForm::A: return popef::Packing::UNPACK_REPACK;
    case PackingForm::B: return popef::Packing::ATTENTION_MASK;
  }
  return popef::Packing::NONE;
}

Expected<PackingForm> read(popef::Packing::Form form) {
  switch (static_cast<int>(form)) {
    case popef::Packing::NONE: return PackingForm::None;
    case popef::Packing::UNPACK_REPACK: return PackingForm::A;
    case popef::Packing::ATTENTION_MASK: return PackingForm::B;
    default: return Error{"packing form is " + std::to_string(form) + ", must be 0 to 2"};
  }
}

popef::Packing::RequestSize to_message(RequestSize size) {
  switch (size) {
    case RequestSize::Batch: return popef::Packing::BATCH;
    case RequestSize::Row: return popef::Packing::ROW;
    case RequestSize::Tokens: return popef::Packing::TOKENS;
  }
  return popef::Packing::BATCH;
}

Expected<RequestSize> read(popef::Packing::RequestSize size) {
  switch (static_cast<int>(size)) {
    case popef::Packing::BATCH: return RequestSize::Batch;
    case popef::Packing::ROW: return RequestSize::Row;
    case popef::Packing::TOKENS: return RequestSize::Tokens;
    default: return Error{"request size is " + std::to_string(size) + ", must be 0 to 2"};
  }
}

void write(const PackingContract& packing, popef::Packing& message) {
  message.set_form(to_message(packing.form));
  message.set_rows(packing.rows);
  message.set_row_length(packing.row_length);
  message.set_max_valid_num(packing.max_valid_num);
  message.set_segment_max_size(packing.segment_max_size);
  assign(message.mutable_token_inputs(), packing.token_inputs);
  message.set_ids_input(packing.ids_input);
  message.set_mask_input(packing.mask_input);
  message.set_position_input(packing.position_input);
  message.set_unpack_info_input(packing.unpack_info_input);
  for (const PackingContract::OutputRule& rule : packing.outputs) {
    popef::Packing::OutputRule& to = *message.add_outputs();
    to.set_name(rule.name);
    to.set_per_request(rule.per_request);
  }
  message.set_request_size(to_message(packing.request_size));
  message.set_why_no_less(packing.why_no_less);
  message.set_mask_hides(packing.mask_hides);
  message.set_padding_is_hidden(packing.padding_is_hidden);
  if (packing.padding_id >= 0) message.set_padding_id(packing.padding_id);
}

Expected<PackingContract> read(const popef::Packing& message) {
  PackingContract packing;
  packing.form = TRY(read(message.form()));
  packing.rows = message.rows();
  packing.row_length = message.row_length();
  packing.max_valid_num = message.max_valid_num();
  packing.segment_max_size = message.segment_max_size();
  packing.token_inputs = vector_of<std::string>(message.token_inputs());
  packing.ids_input = message.ids_input();
  packing.mask_input = message.mask_input();
  packing.position_input = message.position_input();
  packing.unpack_info_input = message.unpack_info_input();
  for (const popef::Packing::OutputRule& rule : message.outputs())
    packing.outputs.push_back({rule.name(), rule.per_request()});
  packing.request_size = TRY(read(message.request_size()));
  packing.why_no_less = message.why_no_less();
  packing.padding_id = message.has_padding_id() ? message.padding_id() : -1;
  packing.mask_hides = message.mask_hides();
  packing.padding_is_hidden = message.padding_is_hidden();
  return packing;
}

void write(const MemorySummary& memory, popef::MemorySummary& message) {
  message.set_peak_bytes(memory.peak_bytes);
  message.set_peak_tile(memory.peak_tile);
  message.set_peak_superstep(memory.peak_superstep);
  message.set_always_live_bytes(memory.always_live_bytes);
  message.set_fits(memory.fits);
}

void write(const CycleSummary& cycles, popef::CycleSummary& message) {
  message.set_total(cycles.total);
  message.set_compute(cycles.compute);
  message.set_rearrange(cycles.rearrange);
  message.set_exchange(cycles.exchange);
  message.set_sync(cycles.sync);
  message.set_seconds_per_batch(cycles.seconds_per_batch);
}

}  // namespace

std::string to_bytes(const Metadata& metadata, const std::string& executable) {
  popef::Metadata message;
  message.set_replication_factor(metadata.replication_factor);
  message.set_num_ipus(metadata.num_ipus);
  message.set_executable(executable);
  message.set_is_inference(true);
  message.set_device_iterations(metadata.device_iterations);
  for (const Anchor& anchor : metadata.anchors) write(anchor, *message.add_anchors());
  message.mutable_program_flow()->add_load(kLoad);
  message.mutable_program_flow()->add_main(kMain);
  message.set_compiler_version(metadata.compiler_version);
  message.set_model_name(metadata.model_name);
  message.set_label(metadata.label);
  message.set_source_sha256(metadata.source_sha256);
  message.set_options(metadata.options);
  message.set_options_sha256(metadata.options_sha256);
  write(metadata.packing, *message.mutable_packing());
  write(metadata.memory, *message.mutable_memory());
  write(metadata.cycles, *message.mutable_cycles());
  return serialize(message);
}

Expected<ReadMetadata> metadata_from(std::span<const std::byte> bytes, const Limits& limits) {
  const auto message = TRY(parse_message<popef::Metadata>(bytes, limits));
  ReadMetadata read_metadata{{}, message.executable()};
  Metadata& metadata = read_metadata.metadata;
  metadata.replication_factor = message.replication_factor();
  metadata.num_ipus = message.num_ipus();
  metadata.device_iterations = message.device_iterations();
  for (const popef::Anchor& anchor : message.anchors())
    metadata.anchors.push_back(TRY(read(anchor)));
  metadata.compiler_version = message.compiler_version();
  metadata.model_name = message.model_name();
  metadata.label = message.label();
  metadata.source_sha256 = message.source_sha256();
  metadata.options = message.options();
  metadata.options_sha256 = message.options_sha256();
  metadata.packing = TRY(read(message.packing()));
  const popef::MemorySummary& memory = message.memory();
  metadata.memory = {memory.peak_bytes(), memory.peak_tile(), memory.peak_superstep(),
                     memory.always_live_bytes(), memory.fits()};
  const popef::CycleSummary& cycles = message.cycles();
  metadata.cycles = {cycles.total(),    cycles.compute(), cycles.rearrange(),
                     cycles.exchange(), cycles.sync(),    cycles.seconds_per_batch()};
  // The rest says the same in every file: whether it does, its spelling shows.
  if (to_bytes(metadata, read_metadata.executable) == serialize(message)) return read_metadata;
  return Error{"programFlow, isInference, or an anchor's programs or size are not as they must be"};
}

}  // namespace tessera

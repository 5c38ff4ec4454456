// SPDX-License-Identifier: Apache-2.0
#include "program/messages.h"
#include "program/messages_common.h"

namespace tessera {
namespace {

// Numbers go by their names, which are the same in the struct and in the schema.
const google::protobuf::FieldDescriptor& target_field(const char* name) {
  const auto* field = popef::Target::descriptor()->FindFieldByName(name);
  CHECK(field != nullptr);
  return *field;
}

void write(const Target& target, popef::Target& message) {
  message.set_name(target.name);
  const auto* reflection = message.GetReflection();
  for_each_field(target, [&](const char* name, auto value) {
    if constexpr (std::is_same_v<decltype(value), double>)
      reflection->SetDouble(&message, &target_field(name), value);
    else
      reflection->SetInt64(&message, &target_field(name), value);
  });
}

Target read(const popef::Target& message) {
  Target target;
  target.name = message.name();
  const auto* reflection = message.GetReflection();
  const auto read_field = [&](const char* name, auto& value) {
    if constexpr (std::is_same_v<decltype(value), double&>)
      value = reflection->GetDouble(message, &target_field(name));
    else
      value = reflection->GetInt64(message, &target_field(name));
  };
  for_each_ipu_field(target, read_field);
  if (message.ipus() != 0) for_each_link_field(target, read_field);
  return target;
}

popef::Variable::Kind to_message(VariableKind kind) {
  switch (kind) {
    case VariableKind::Input: return popef::Variable::INPUT;
    case VariableKind::Output: return popef::Variable::OUTPUT;
    case VariableKind::Constant: return popef::Variable::CONSTANT;
    case VariableKind::Activation: return popef::Variable::ACTIVATION;
  }
  return popef::Variable::INPUT;
}

Expected<VariableKind> read(popef::Variable::Kind kind) {
  switch (static_cast<int>(kind)) {
    case popef::Variable::INPUT: return VariableKind::Input;
    case popef::Variable::OUTPUT: return VariableKind::Output;
    case popef::Variable::CONSTANT: return VariableKind::Constant;
    case popef::Variable::ACTIVATION: return VariableKind::Activation;
    default: return Error{"variable kind is " + std::to_string(kind) + ", must be 0 to 3"};
  }
}

// Grids and mappings that are not dealt out are written as they always were.
template <class Message>
void write(const Deal& deal, Message& message) {
  if (deal == Deal{}) return;
  message.mutable_deal()->set_axis(deal.axis);
  message.mutable_deal()->set_each(deal.each);
  message.mutable_deal()->set_stride(deal.stride);
}

template <class Message>
Deal deal_of(const Message& message) {
  if (!message.has_deal()) return {};
  return {message.deal().axis(), message.deal().each(), message.deal().stride()};
}

void write(const Variable& variable, popef::Variable& message) {
  message.set_name(variable.name);
  message.set_data_type(to_message(variable.dtype));
  assign(message.mutable_shape(), variable.shape);
  message.set_kind(to_message(variable.kind));
  assign(message.mutable_mapping()->mutable_view(), variable.mapping.view);
  assign(message.mutable_mapping()->mutable_block(), variable.mapping.block);
  message.mutable_mapping()->set_first(variable.mapping.first.value);
  write(variable.mapping.deal, *message.mutable_mapping());
  message.set_constant(variable.constant);
}

Expected<Variable> read(const popef::Variable& message) {
  Variable variable;
  variable.name = message.name();
  variable.dtype = TRY(dtype_from(message.data_type()));
  variable.shape = vector_of<int64_t>(message.shape());
  variable.kind = TRY(read(message.kind()));
  variable.mapping.view = vector_of<int64_t>(message.mapping().view());
  variable.mapping.block = vector_of<int64_t>(message.mapping().block());
  variable.mapping.first.value = message.mapping().first();
  variable.mapping.deal = deal_of(message.mapping());
  variable.constant = message.constant();
  return variable;
}

void write(const Region& region, popef::Region& message) {
  message.set_variable(region.variable);
  assign(message.mutable_view(), region.view);
  for (const RegionDim& dim : region.dims) {
    popef::RegionDim& to = *message.add_dims();
    to.set_axis(dim.axis);
    to.set_offset(dim.offset);
    to.set_step(dim.step);
    to.set_size(dim.size);
  }
}

Region read(const popef::Region& message) {
  Region region{message.variable(), vector_of<int64_t>(message.view()), {}};
  for (const popef::RegionDim& dim : message.dims())
    region.dims.push_back({dim.axis(), dim.offset(), dim.step(), dim.size()});
  return region;
}

void write(const VertexGrid& grid, popef::Grid& message) {
  assign(message.mutable_extent(), grid.extent);
  message.set_first(grid.first.value);
  write(grid.deal, message);
}

VertexGrid read(const popef::Grid& message) {
  return {vector_of<int64_t>(message.extent()), TileId{message.first()}, deal_of(message)};
}

void write(const Superstep& step, popef::Superstep& message) {
  message.set_name(step.name);
  assign(message.mutable_origin(), step.origin);
  message.set_stage(step.stage);
  for (const Transfer& transfer : step.exchange) {
    popef::Transfer& to = *message.add_exchange();
    write(transfer.region, *to.mutable_region());
    write(transfer.grid, *to.mutable_grid());
  }
  popef::ComputeSet& compute = *message.mutable_compute();
  compute.set_codelet(step.compute.codelet);
  for (const Param& param : step.compute.params) {
    popef::Param& to = *compute.add_params();
    to.set_name(param.name);
    assign(to.mutable_values(), param.values);
  }
  write(step.compute.grid, *compute.mutable_grid());
  for (const Operand& operand : step.compute.operands) {
    popef::Operand& to = *compute.add_operands();
    write(operand.region, *to.mutable_region());
    to.set_writes(operand.writes);
  }
}

Superstep read(const popef::Superstep& message) {
  Superstep step;
  step.name = message.name();
  step.origin = vector_of<std::string>(message.origin());
  step.stage = message.stage();
  for (const popef::Transfer& transfer : message.exchange())
    step.exchange.push_back({read(transfer.region()), read(transfer.grid())});
  step.compute.codelet = message.compute().codelet();
  for (const popef::Param& param : message.compute().params())
    step.compute.params.push_back({param.name(), vector_of<double>(param.values())});
  step.compute.grid = read(message.compute().grid());
  for (const popef::Operand& operand : message.compute().operands())
    step.compute.operands.push_back({read(operand.region()), operand.writes()});
  return step;
}

}  // namespace

std::string to_bytes(const Program& program) {
  popef::Program message;
  message.set_name(program.name);
  write(program.target, *message.mutable_target());
  message.mutable_host()->set_batches_per_step(program.host.batches_per_step);
  message.mutable_host()->set_io_tiles(program.host.io_tiles);
  message.mutable_host()->set_prefetch(program.host.prefetch);
  for (const Variable& variable : program.variables) write(variable, *message.add_variables());
  assign(message.mutable_inputs(), program.inputs);
  assign(message.mutable_outputs(), program.outputs);
  for (const Superstep& step : program.supersteps) write(step, *message.add_supersteps());
  return serialize(message);
}

Expected<Program> program_from(std::span<const std::byte> bytes, const Limits& limits) {
  const auto message = TRY(parse_message<popef::Program>(bytes, limits));
  Program program;
  program.name = message.name();
  program.target = read(message.target());
  program.host = {message.host().batches_per_step(), message.host().io_tiles(),
                  message.host().prefetch()};
  for (const popef::Variable& variable : message.variables())
    program.variables.push_back(TRY(read(variable)));
  program.inputs = vector_of<VariableId>(message.inputs());
  program.outputs = vector_of<VariableId>(message.outputs());
  for (const popef::Superstep& step : message.supersteps())
    program.supersteps.push_back(read(step));
  return program;
}

}  // namespace tessera

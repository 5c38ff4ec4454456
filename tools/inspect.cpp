// SPDX-License-Identifier: Apache-2.0
// tessera inspect: what is in an executable, and where its memory and cycles go.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "codelets/codelet.h"
#include "cost/cost.h"
#include "program/popef_file.h"
#include "program/text.h"
#include "tools/inspect_views.h"
#include "tools/print.h"
#include "tools/stranger_flags.h"
#include "tools/verb.h"

namespace tessera::tools {
namespace {

using Json = nlohmann::ordered_json;

po::options_description flags() {
  po::options_description flags("Inspecting");
  flags.add_options()("executable", po::value<std::string>(), "the .popef file")(
      "cycles", po::bool_switch(), "where the time goes: a line for every superstep")(
      "ops", po::bool_switch(), "the same by ONNX nodes, dearest first")(
      "memory", po::bool_switch(), "what is on the fullest tile")(
      "liveness", po::bool_switch(), "bytes that are not always live, by superstep")(
      "node", po::value<std::string>(), "the supersteps that this ONNX node became")(
      "superstep", po::value<std::string>(), "one superstep, and the ONNX nodes it comes from")(
      "json", po::bool_switch(),
      "print everything as JSON; with --cycles, --ops, --memory or --liveness: a profile with the "
      "field names of Poplar's")("supersteps", po::bool_switch(), "a line for every superstep")(
      "program", po::bool_switch(), "print the Program as text")("blobs", po::bool_switch(),
                                                                 "list the file's blobs");
  po::options_description all;
  all.add(flags).add(signature_flags()).add(limit_flags());
  return all;
}

std::string text_of(const PackingContract& packing) {
  if (packing.form == PackingForm::None) return "none: one request a row";
  std::string text = fmt::format("form {}, {} rows of {} tokens", to_string(packing.form),
                                 packing.rows, packing.row_length);
  if (packing.max_valid_num) text += fmt::format(", at most {} requests", packing.max_valid_num);
  return text + fmt::format(" of at most {} tokens", packing.segment_max_size);
}

Json anchor_json(const Anchor& anchor) {
  return {
      {"name",        anchor.name                                          },
      {"type",        anchor.kind == AnchorKind::Input ? "INPUT" : "OUTPUT"},
      {"dtype",       to_string(anchor.dtype)                              },
      {"shape",       anchor.shape                                         },
      {"model_dtype", anchor.model_dtype                                   },
      {"index_limit", anchor.index_limit                                   }
  };
}

Json packing_json(const PackingContract& packing) {
  Json json = {
      {"form",              to_string(packing.form)  },
      {"rows",              packing.rows             },
      {"row_length",        packing.row_length       },
      {"max_valid_num",     packing.max_valid_num    },
      {"segment_max_size",  packing.segment_max_size },
      {"token_inputs",      packing.token_inputs     },
      {"ids_input",         packing.ids_input        },
      {"mask_input",        packing.mask_input       },
      {"position_input",    packing.position_input   },
      {"unpack_info_input", packing.unpack_info_input}
  };
  for (const auto& output : packing.outputs)
    json["outputs"].push_back({
        {"name",        output.name       },
        {"per_request", output.per_request}
    });
  return json;
}

Json supersteps_json(const Program& program, const ProgramCost& cost, const MemoryReport& memory) {
  Json all = Json::array();
  for (size_t i = 0; i < program.supersteps.size(); ++i) {
    const Superstep& step = program.supersteps[i];
    const SuperstepCost& one = cost.steps[i];
    all.push_back({
        {"name",                  step.name                      },
        {"origin",                step.origin                    },
        {"codelet",               step.compute.codelet           },
        {"vertices",              vertex_count(step.compute.grid)},
        {"exchange_cycles",       one.exchange.value             },
        {"compute_cycles",        one.compute.value              },
        {"sync_cycles",           one.sync.value                 },
        {"exchange_bytes",        one.exchange_bytes             },
        {"balance",               one.balance                    },
        {"not_always_live_bytes", memory.live_by_superstep[i]    }
    });
  }
  return all;
}

Json memory_json(const MemoryReport& memory) {
  Json json = {
      {"peak_bytes",        memory.peak_by_tile[memory.fullest.value]       },
      {"peak_tile",         memory.fullest.value                            },
      {"peak_superstep",    memory.peak_superstep                           },
      {"always_live_bytes", memory.always_live_by_tile[memory.fullest.value]},
      {"fits",              memory.fits                                     }
  };
  for (const MemoryHolder& holder : memory.largest)
    json["largest"].push_back({
        {"what",  holder.what },
        {"bytes", holder.bytes}
    });
  return json;
}

void print_whole_json(const Executable& executable, const std::vector<BlobInfo>& blobs,
                      const ProgramCost& cost, const MemoryReport& memory) {
  const Metadata& metadata = executable.metadata;
  Json json = {
      {"model",            metadata.model_name               },
      {"compiler_version", metadata.compiler_version         },
      {"source_sha256",    metadata.source_sha256            },
      {"options",          metadata.options                  },
      {"options_sha256",   metadata.options_sha256           },
      {"sha256",           executable.sha256                 },
      {"target",           executable.program.target.name    },
      {"tiles",            executable.program.target.tiles   },
      {"clock_hz",         executable.program.target.clock_hz}
  };
  for (const Anchor& anchor : metadata.anchors) json["anchors"].push_back(anchor_json(anchor));
  json["packing"] = packing_json(metadata.packing);
  json["memory"] = memory_json(memory);
  json["cycles"] = {
      {"total",             cost.total.value      },
      {"compute",           cost.compute.value    },
      {"exchange",          cost.exchange.value   },
      {"sync",              cost.sync.value       },
      {"seconds_per_batch", cost.seconds_per_batch}
  };
  json["supersteps"] = supersteps_json(executable.program, cost, memory);
  for (const BlobInfo& blob : blobs)
    json["blobs"].push_back({
        {"type",   blob.type  },
        {"name",   blob.name  },
        {"offset", blob.offset},
        {"bytes",  blob.bytes },
        {"sha256", blob.sha256}
    });
  print_json(json, 2);
}

void print_supersteps(const Program& program, const ProgramCost& cost) {
  print("\n{:>5} {:<44} {:<16} {:>8} {:>10} {:>10} {:>8} {:>12} {:>8}\n", "step", "name", "codelet",
        "vertices", "exchange", "compute", "sync", "bytes moved", "balance");
  for (size_t i = 0; i < program.supersteps.size(); ++i) {
    const Superstep& step = program.supersteps[i];
    const SuperstepCost& one = cost.steps[i];
    print("{:>5} {:<44} {:<16} {:>8} {:>10} {:>10} {:>8} {:>12} {:>7.0f}%\n", i,
          step.name.size() > 44 ? "…" + step.name.substr(step.name.size() - 43) : step.name,
          step.compute.codelet, vertex_count(step.compute.grid), one.exchange.value,
          one.compute.value, one.sync.value, human_bytes(one.exchange_bytes), 100 * one.balance);
  }
}

void print_summary(const Executable& executable, const ProgramCost& cost,
                   const MemoryReport& memory) {
  const Metadata& metadata = executable.metadata;
  const Target& target = executable.program.target;
  print("model      {} (sha256 {}…)\n", metadata.model_name, metadata.source_sha256.substr(0, 16));
  print("compiled   by tessera {} with {}\n", metadata.compiler_version, metadata.options);
  print("target     {}: {} tiles of {} bytes at {:.2f} GHz\n", target.name, target.tiles,
        human_count(target.bytes_per_tile), target.clock_hz / 1e9);
  for (const Anchor& anchor : metadata.anchors) {
    print("{}     {} {}", anchor.kind == AnchorKind::Input ? "input " : "output", anchor.name,
          to_string(TensorType{anchor.dtype, anchor.shape}));
    if (anchor.index_limit) print(", each in 0..{}", anchor.index_limit - 1);
    print("\n");
  }
  print("packing    {}\n", text_of(metadata.packing));
  print("memory     {} bytes on tile {} at '{}', {} of them always live\n",
        human_count(memory.peak_by_tile[memory.fullest.value]), memory.fullest.value,
        memory.peak_superstep, human_count(memory.always_live_by_tile[memory.fullest.value]));
  for (const MemoryHolder& holder : memory.largest)
    print("             {:>12} {}\n", human_count(holder.bytes), holder.what);
  const auto share = [&](Cycles part) {
    return 100.0 * static_cast<double>(part.value) / static_cast<double>(cost.total.value);
  };
  print(
      "cycles     {} per batch = {} modelled: compute {:.0f} %, exchange {:.0f} %, sync "
      "{:.0f} %\n",
      human_count(static_cast<int64_t>(cost.total.value)), human_seconds(cost.seconds_per_batch),
      share(cost.compute), share(cost.exchange), share(cost.sync));
  print("program    {} supersteps, {} variables\n", executable.program.supersteps.size(),
        executable.program.variables.size());
}

bool asks_for_views(const po::variables_map& flags) {
  for (const char* view : {"cycles", "ops", "memory", "liveness"})
    if (flags[view].as<bool>()) return true;
  return flags.count("node") || flags.count("superstep");
}

Status print_views(const po::variables_map& flags, const Inspected& is) {
  if (flags["json"].as<bool>()) {
    print_json(profile_json(is), 1);
    return {};
  }
  if (flags["cycles"].as<bool>()) print_cycles(is);
  if (flags["ops"].as<bool>()) print_ops(is);
  if (flags["memory"].as<bool>()) print_memory(is);
  if (flags["liveness"].as<bool>()) print_liveness(is);
  if (flags.count("node")) TRY(print_node(is, flags["node"].as<std::string>()));
  if (flags.count("superstep")) TRY(print_superstep(is, flags["superstep"].as<std::string>()));
  return {};
}

Status run(const po::variables_map& flags) {
  if (!flags.count("executable"))
    return Error{"inspect: no executable, must be MODEL.popef", ErrorKind::Usage};
  const std::string path = flags["executable"].as<std::string>();
  const Limits limits = TRY(limits_of(flags));
  const PopefFile file = TRY(open_popef(path, TRY(required_key(flags)), limits));
  const Executable executable = TRY(read_popef(file, check_compute_set, limits));
  const std::vector<BlobInfo> blobs = TRY(list_blobs(file));
  const ProgramCost cost = program_cost(executable.program);
  const MemoryReport memory = program_memory(executable.program);
  if (asks_for_views(flags)) return print_views(flags, {executable.program, cost, memory});
  if (flags["json"].as<bool>()) {
    print_whole_json(executable, blobs, cost, memory);
    return {};
  }
  if (flags["program"].as<bool>()) {
    print("{}", Lines{print(executable.program)});
    return {};
  }
  print_summary(executable, cost, memory);
  if (flags["supersteps"].as<bool>()) print_supersteps(executable.program, cost);
  if (flags["blobs"].as<bool>())
    for (const BlobInfo& blob : blobs)
      print("{:>14} at {:>12}  {:<12} {} {}…\n", human_bytes(static_cast<int64_t>(blob.bytes)),
            blob.offset, blob.type, blob.name, blob.sha256.substr(0, 16));
  return {};
}

}  // namespace

Verb inspect_verb() {
  return {"inspect",
          "show what an executable holds, its memory and its cycles",
          "MODEL.popef [--cycles | --ops | --memory | --liveness] [--json]",
          "tessera inspect bert.popef --ops",
          flags,
          "executable",
          run};
}

}  // namespace tessera::tools

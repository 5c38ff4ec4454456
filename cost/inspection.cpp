// SPDX-License-Identifier: Apache-2.0
#include "cost/inspection.h"

#include "cost/by_ipu.h"
#include "program/boxes.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

Json anchor_json(const Anchor& anchor) {
  return {
      {"name",        anchor.name                                          },
      {"type",        anchor.kind == AnchorKind::Input ? "INPUT" : "OUTPUT"},
      {"dtype",       to_string(anchor.dtype)                              },
      {"shape",       anchor.shape                                         },
      {"model_dtype", anchor.model_dtype                                   },
      {"index_limit", anchor.index_limit                                   },
      {"size_least",  anchor.size_least.value_or(-anchor.size_limit)       },
      {"size_limit",  anchor.size_limit                                    }
  };
}

Json packing_json(const PackingContract& packing) {
  Json json = {
      {"form",              to_string(packing.form)        },
      {"rows",              packing.rows                   },
      {"row_length",        packing.row_length             },
      {"max_valid_num",     packing.max_valid_num          },
      {"segment_max_size",  packing.segment_max_size       },
      {"token_inputs",      packing.token_inputs           },
      {"ids_input",         packing.ids_input              },
      {"mask_input",        packing.mask_input             },
      {"position_input",    packing.position_input         },
      {"unpack_info_input", packing.unpack_info_input      },
      {"request_size",      to_string(packing.request_size)},
      {"why_no_less",       packing.why_no_less            },
      {"padding_id",        packing.padding_id             },
      {"mask_hides",        packing.mask_hides             }
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

Json ipus_json(const Program& program, const ProgramCost& cost, const MemoryReport& memory) {
  Json ipus = Json::array();
  for (const IpuUse& use : uses_of_ipus(program, cost, memory))
    ipus.push_back({
        {"ipu",               use.ipu              },
        {"peak_bytes",        use.peak_bytes       },
        {"peak_tile",         use.fullest.value    },
        {"always_live_bytes", use.always_live_bytes},
        {"supersteps",        use.supersteps       },
        {"cycles",            use.cycles.value     },
        {"link_cycles",       use.links.value      }
    });
  return ipus;
}

}  // namespace

std::vector<KeptLine> kept_in_fp32(const Executable& executable) {
  const Json report = Json::parse(executable.report, nullptr, false);
  std::vector<KeptLine> lines;
  if (!report.is_object() || !report.contains("kept_in_fp32")) return lines;
  const auto word = [](const Json& of, const char* key) {
    const auto found = of.is_object() ? of.find(key) : of.end();
    return found != of.end() && found->is_string() ? found->get<std::string>() : "";
  };
  for (const Json& kept : report["kept_in_fp32"])
    lines.push_back({word(kept, "node"), word(kept, "op"), word(kept, "rule"), word(kept, "why")});
  return lines;
}

Json kept_in_fp32_json(const Executable& executable) {
  Json json = Json::array();
  for (const KeptLine& kept : kept_in_fp32(executable))
    json.push_back({
        {"node", kept.node},
        {"op",   kept.op  },
        {"rule", kept.rule},
        {"why",  kept.why }
    });
  return json;
}

Json inspection_json(const Executable& executable, std::span<const BlobInfo> blobs,
                     const ProgramCost& cost, const MemoryReport& memory) {
  const Metadata& metadata = executable.metadata;
  Json json = {
      {"schema",           "tessera-inspect/1"                  },
      {"model",            metadata.model_name                  },
      {"compiler_version", metadata.compiler_version            },
      {"label",            metadata.label                       },
      {"source_sha256",    metadata.source_sha256               },
      {"options",          metadata.options                     },
      {"options_sha256",   metadata.options_sha256              },
      {"sha256",           executable.sha256                    },
      {"target",           executable.program.target.name       },
      {"tiles",            executable.program.target.all_tiles()},
      {"clock_hz",         executable.program.target.clock_hz   }
  };
  for (const Anchor& anchor : metadata.anchors) json["anchors"].push_back(anchor_json(anchor));
  json["packing"] = packing_json(metadata.packing);
  json["memory"] = memory_json(memory);
  json["cycles"] = {
      {"total",             cost.total.value      },
      {"compute",           cost.compute.value    },
      {"rearrange",         cost.rearrange.value  },
      {"exchange",          cost.exchange.value   },
      {"sync",              cost.sync.value       },
      {"seconds_per_batch", cost.seconds_per_batch}
  };
  if (executable.program.target.ipus > 1) {
    json["cycles"]["links"] = cost.links.value;
    json["cycles"]["latency_seconds"] = cost.latency_seconds;
    json["ipus"] = ipus_json(executable.program, cost, memory);
  }
  if (Json kept = kept_in_fp32_json(executable); !kept.empty())
    json["kept_in_fp32"] = std::move(kept);
  json["supersteps"] = supersteps_json(executable.program, cost, memory);
  for (const BlobInfo& blob : blobs)
    json["blobs"].push_back({
        {"type",   blob.type  },
        {"name",   blob.name  },
        {"offset", blob.offset},
        {"bytes",  blob.bytes },
        {"sha256", blob.sha256}
    });
  return json;
}

}  // namespace tessera

// SPDX-License-Identifier: Apache-2.0
#include "compiler/options.h"

#include <fmt/format.h>

#include <algorithm>

#include "compiler/option_rows.h"
#include "compiler/option_text.h"
#include "compiler/option_values.h"

namespace tessera {

int64_t all_ipus(const CompileOptions& options) {
  return options.num_ipus > 1 ? options.num_ipus : options.target.ipus;
}

int64_t ipus_of_replica(const CompileOptions& options) {
  return std::max<int64_t>(1, all_ipus(options) / options.replication_factor);
}

bool is_cut(const CompileOptions& options) {
  return options.sharding != Sharding::None || !options.manual_sharding_config.entries.empty();
}

bool is_form_b(const CompileOptions& options) {
  return std::ranges::find(options.passes, "insert_attention_mask") != options.passes.end();
}

Status check_options(const CompileOptions& options) {
  for (const OptionRow& row : option_rows()) TRY(row.check(options));
  return {};
}

Status check_use_of_ipus(const CompileOptions& options) {
  const int64_t ipus = ipus_of_replica(options);
  if (all_ipus(options) % options.replication_factor != 0)
    return option_must_be("replication_factor", fmt::format("is {}", options.replication_factor),
                          fmt::format("a divisor of num_ipus, which is {}", all_ipus(options)));
  if (ipus > 1 && !is_cut(options))
    return option_must_be("num_ipus", fmt::format("is {} for each replica", ipus),
                          "1 where nothing says how to use more: --sharding auto or tensor, "
                          "--manual_sharding_config, --replication_factor or --parallel auto");
  if (options.enable_pipelining && (!is_cut(options) || options.sharding == Sharding::Tensor))
    return option_must_be("enable_pipelining", "is true",
                          "false where the model is not cut: --sharding auto or "
                          "--manual_sharding_config");
  return {};
}

std::string to_string(const CompileOptions& options) { return option_text(option_values(options)); }

}  // namespace tessera

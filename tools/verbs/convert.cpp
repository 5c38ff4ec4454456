// SPDX-License-Identifier: Apache-2.0
// tessera convert: the model after the passes, as ONNX.
#include "compiler/convert.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "compiler/compile.h"
#include "tools/files/outputs.h"
#include "tools/flags/flags.h"
#include "tools/print/print.h"
#include "tools/print/progress.h"
#include "tools/verbs/calibration.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

po::options_description convert_flags() {
  po::options_description files("Files");
  files.add_options()("input_model,i", po::value<std::string>(), "the ONNX model")(
      "output_model,o", po::value<std::string>(), "the converted model to write")(
      "json", po::bool_switch(), "print the summary as JSON");
  po::options_description all;
  all.add(files).add(compile_flags()).add(calibration_flags()).add(limit_flags());
  return all;
}

Expected<Converted> convert_with_progress(const std::string& input, const CompileOptions& options) {
  Progress progress("convert " + input);
  progress.step("import and passes");
  return convert(input, options);
}

Status do_convert(const po::variables_map& flags) {
  if (!flags.count("input_model") || !flags.count("output_model"))
    return Error{"convert: must have --input_model MODEL.onnx and --output_model OUT.onnx",
                 ErrorKind::Usage};
  const std::string output = flags["output_model"].as<std::string>();
  const std::string input = flags["input_model"].as<std::string>();
  CompileOptions options = TRY(compile_options(flags));
  TRY(check_output_file(output));
  options = TRY(calibrated(flags, input, std::move(options)));
  const Converted converted = TRY(convert_with_progress(input, options));
  TRY(write_converted(converted, output));
  const Graph& graph = converted.graph;
  if (flags["json"].as<bool>())
    print_json(
        nlohmann::ordered_json{
            {"schema",  "tessera-convert/1" },
            {"model",   output              },
            {"nodes",   graph.nodes().size()},
            {"inputs",  graph.inputs.size() },
            {"outputs", graph.outputs.size()}
    },
        2);
  else
    print("{}: {} nodes, {} inputs, {} outputs\n", output, graph.nodes().size(),
          graph.inputs.size(), graph.outputs.size());
  return {};
}

}  // namespace

Verb convert_verb() {
  return {"write the model as it is after the passes, as ONNX (for Netron)",
          "--input_model MODEL.onnx --output_model OUT.onnx [FLAGS]",
          "tessera convert --input_model bert.onnx --input_shape input_ids=16,256 --pack_args "
          "max_valid_num=40 segment_max_size=256 --output_model packed.onnx",
          convert_flags,
          nullptr,
          do_convert};
}

}  // namespace tessera::tools

// SPDX-License-Identifier: Apache-2.0
// tessera convert: the model after the passes, as ONNX.
#include "compiler/convert.h"

#include <fmt/format.h>

#include "compiler/compile.h"
#include "tools/print.h"
#include "tools/verb.h"

namespace tessera::tools {
namespace {

po::options_description flags() {
  po::options_description files("Files");
  files.add_options()("input_model,i", po::value<std::string>(), "the ONNX model")(
      "output_model,o", po::value<std::string>(), "the converted model to write");
  po::options_description all;
  all.add(files).add(compile_flags()).add(limit_flags());
  return all;
}

Status run(const po::variables_map& flags) {
  if (!flags.count("input_model") || !flags.count("output_model"))
    return Error{"convert: must have --input_model MODEL.onnx and --output_model OUT.onnx",
                 ErrorKind::Usage};
  const std::string output = flags["output_model"].as<std::string>();
  const Converted converted =
      TRY(convert(flags["input_model"].as<std::string>(), TRY(compile_options(flags))));
  TRY(write_converted(converted, output));
  print("{}: {} nodes, {} inputs, {} outputs\n", output, converted.graph.nodes().size(),
        converted.graph.inputs.size(), converted.graph.outputs.size());
  return {};
}

}  // namespace

Verb convert_verb() {
  return {"convert",
          "write the model as it is after the passes, as ONNX (for Netron)",
          "--input_model MODEL.onnx --output_model OUT.onnx [FLAGS]",
          "tessera convert --input_model bert.onnx --input_shape input_ids=16,256 --pack_args "
          "max_valid_num=40 segment_max_size=256 --output_model packed.onnx",
          flags,
          nullptr,
          run};
}

}  // namespace tessera::tools

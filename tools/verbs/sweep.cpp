// SPDX-License-Identifier: Apache-2.0
// tessera sweep: the flags of python/tessera/sweep_command.py, which does the work. tests/python
// holds the two lists against each other.
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

using Words = std::vector<std::string>;

po::options_description sweep_flags() {
  po::options_description flags("Sweeping");
  flags.add_options()("input_model,i", po::value<std::string>(), "the ONNX model")(
      "lengths", po::value<std::string>(),
      "the lengths of requests to plan for, as tessera pack reads them: .npy, .jsonl, a folder of "
      "requests, or a histogram .csv")(
      "output,o", po::value<std::string>(),
      "the table to write: .csv, or .parquet where pyarrow is there. Beside it, in a folder named "
      "after it with .points behind, each point is kept once it is compiled; the same command "
      "later goes on from there")("picture", po::value<std::string>(),
                                  "also draw throughput over latency, as .svg")(
      "draw", po::value<int64_t>()->default_value(8000),
      "lengths that are drawn of a histogram, or of more lengths than these")(
      "seed", po::value<int64_t>()->default_value(1), "of that draw")("json", po::bool_switch(),
                                                                      "print the rows as JSON");
  po::options_description points("Points: the product of these lists, a,b each");
  points.add_options()("rows", po::value<std::string>()->default_value("8,16"), "rows of a batch")(
      "row_length", po::value<std::string>()->default_value(""),
      "tokens of a row; default: the longest request, rounded up to 8, and twice that")(
      "forms", po::value<std::string>()->default_value("none,A,B"),
      "none (padded), A (unpack and repack), B (attention mask)")(
      "max_valid_num", po::value<std::string>()->default_value("0"),
      "requests in a batch of form A; 0: a tenth more than fill it in the mean")(
      "precision", po::value<std::string>()->default_value("fp32"), "fp32,fp16")(
      "targets", po::value<Words>()->multitoken(),
      "machines, a word each, with numbers of theirs as --target of compile has them: "
      "c600 bow c600,tiles=736 (c600)")(
      "try", po::value<Words>()->multitoken(),
      "any other option of compile and its values: partials_type=half,float num_io_tiles=0,32")(
      "ids", po::value<std::string>()->default_value(""),
      "the input whose shape is rows and row length; default: input_ids, or the first of two axes");
  po::options_description asked("Asked of the machine");
  asked.add_options()("rate", po::value<double>()->default_value(0),
                      "requests a second to answer: says how many machines of each row do, at 80 % "
                      "of what they can; 0: the best answers most")(
      "latency_ms", po::value<double>()->default_value(0),
      "what a batch may take, modelled; 0: no limit");
  po::options_description work("Work");
  work.add_options()("jobs", po::value<int64_t>()->default_value(0),
                     "compiles at a time, each a process of its own; 0: one a core")(
      "ray", po::value<std::string>()->implicit_value("auto"),
      "compile on a Ray cluster: its address, or auto (pip install 'tessera[ray]')")(
      "keep_executables", po::bool_switch(), "keep the .popef of each point beside its figures");
  flags.add(points).add(asked).add(work);
  return flags;
}

}  // namespace

Verb sweep_verb() {
  return {"compile a model at many shapes and machines, and say which to take",
          "MODEL.onnx --lengths FILE -o TABLE.csv [FLAGS]",
          "tessera sweep bert.onnx --lengths lengths.csv -o sweep.csv --picture sweep.svg\n"
          "  tessera sweep bert.onnx --lengths lengths.csv -o sweep.csv --rows 4,8,16 --precision "
          "fp32,fp16 --targets c600 bow --rate 10000 --latency_ms 20",
          sweep_flags,
          "input_model",
          {},
          true};
}

}  // namespace tessera::tools

// SPDX-License-Identifier: Apache-2.0
// tessera text: the flags of python/tessera/text/command.py, which does the work. tests/python
// holds the two lists against each other.
#include "tools/flags/server_help.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

using Words = std::vector<std::string>;

po::options_description asked_flags() {
  po::options_description flags("Asked of texts (embed, classify, rerank, ner, answer)");
  flags.add_options()("words", po::value<Words>(),
                      "WHAT, a model's folder, and texts: a text a line, or .jsonl, an object a "
                      "line: its text and text_pair, or question and context; -: stdin")(
      "output,o", po::value<std::string>()->default_value("-"),
      "a JSON object a text; -: standard output")("no_truncate", po::bool_switch(),
                                                  "refuse long texts, which are cut without it")(
      "truncation_side", po::value<std::string>()->default_value("right"),
      "what is cut off: left or right")("prompt", po::value<std::string>(),
                                        "embed: stands before each text")(
      "prompt_name", po::value<std::string>(), "embed: one of the folder's prompts")(
      "normalize", po::value<std::string>(),
      "embed: vectors of length 1, yes or no; default: as the folder says")(
      "dimensions", po::value<int64_t>(), "embed: how many numbers of a vector to give, the first")(
      "function", po::value<std::string>(),
      "classify, rerank: softmax, sigmoid or none in place of what config.json says")(
      "query", po::value<std::string>(), "rerank: what each text is held to")(
      "aggregation", po::value<std::string>()->default_value("simple"),
      "ner: none, simple, first, average or max")("ignore", po::value<Words>()->multitoken(),
                                                  "ner: labels to leave out (O)")(
      "stride", po::value<int64_t>(), "ner, answer: tokens that two windows of a long text share")(
      "top_k", po::value<int64_t>(), "classify, rerank, answer: how many to give, the best")(
      "window", po::value<int64_t>(), "answer: tokens of question and context; at most 384")(
      "max_answer_tokens", po::value<int64_t>()->default_value(15), "answer: at most")(
      "may_be_impossible", po::bool_switch(), "answer: \"\" is an answer too");
  return flags;
}

po::options_description model_flags() {
  po::options_description flags("Model");
  flags.add_options()("length", po::value<int64_t>(),
                      "tokens of the longest text; default: what the model takes, at most 512")(
      "rows", po::value<int64_t>(), "of a batch; default: as many as make 2048 tokens")(
      "precision", po::value<std::string>()->default_value("fp16"), "fp16 or fp32")(
      "form", po::value<std::string>(),
      "of packing, B, A or padded; default: the first that the model can be compiled in")(
      "most", po::value<int64_t>()->default_value(0),
      "texts in a packed batch; 0: what suits the form")(
      "pooling", po::value<std::string>(),
      "in place of the folder's: mean, cls, max, lasttoken … or several joined by +")(
      "onnx_file", po::value<std::string>(), "a file of the folder, in place of model.onnx")(
      "cache_dir", po::value<std::string>(),
      "where executables and exports are kept; default: $TESSERA_CACHE_DIR/text, else "
      "~/.cache/tessera/text; '': nowhere")("target", po::value<std::string>(),
                                            "the machine, as of compile")(
      "threads", po::value<int64_t>()->default_value(0),
      "host threads that run the model; 0: one per core")(
      "timeout", po::value<double>()->default_value(0.0005, "0.0005"),
      "seconds that a batch waits to fill");
  return flags;
}

po::options_description served_flags() {
  po::options_description flags("Serving (serve)");
  flags.add_options()("model", po::value<Words>()->multitoken(),
                      "[NAME=]FOLDER …: what is served; the first answers calls that name none")(
      "task", po::value<std::string>(),
      "embed, classify, rerank, ner or answer, in place of what the folders say")(
      "host", po::value<std::string>()->default_value("127.0.0.1"), kHostHelp)(
      "port", po::value<int64_t>()->default_value(8080), "0: any that is free")(
      "auto_truncate", po::bool_switch(), "cut long texts of callers who do not say")(
      "max_client_batch_size", po::value<int64_t>()->default_value(32), "texts of a call")(
      "max_concurrent_requests", po::value<int64_t>()->default_value(512), "calls at a time")(
      "max_body_bytes", po::value<int64_t>()->default_value(2'000'000), "of a call")(
      "max_memory_bytes", po::value<int64_t>()->default_value(1 << 28),
      "bodies, and answers of /embed_all, on their way together")(
      "max_windows", po::value<int64_t>()->default_value(1024),
      "that the long texts of a call are read in, with a stride")(
      "head_seconds", po::value<double>()->default_value(10), "for a request's head to come")(
      "body_seconds", po::value<double>()->default_value(30), "for a body to come")(
      "write_seconds", po::value<double>()->default_value(60), "for a caller to take an answer")(
      "max_connections", po::value<int64_t>()->default_value(4096), "connections at a time")(
      "max_queue", po::value<int64_t>()->default_value(16384), "texts that wait")(
      "deadline_seconds", po::value<double>()->default_value(0), "to an answer; 0: none")(
      "drain_seconds", po::value<int64_t>()->default_value(30), kDrainHelp)(
      "tokenization_workers", po::value<int64_t>()->default_value(2), "threads that tokenize")(
      "log_level", po::value<std::string>()->default_value("warning"),
      "critical, error, warning or info");
  return flags;
}

po::options_description text_flags() {
  po::options_description flags = asked_flags();
  flags.add(model_flags()).add(served_flags());
  return flags;
}

}  // namespace

Verb text_verb() {
  return {
      "text in, answers out: a Hugging Face folder to embeddings, classes, entities, answers",
      "embed|classify|rerank|ner|answer FOLDER TEXTS [FLAGS] | serve --model [NAME=]FOLDER …",
      "tessera text embed all-MiniLM-L6-v2 texts.txt -o vectors.jsonl\n"
      "  tessera text serve --model all-MiniLM-L6-v2 --port 8080\n"
      "  curl -s localhost:8080/embed -H 'Content-Type: application/json' -d '{\"inputs\": \"a "
      "text\"}'",
      text_flags,
      "words",
      {},
      true,
      {"embed", "classify", "rerank", "ner", "answer", "serve"}
  };
}

}  // namespace tessera::tools

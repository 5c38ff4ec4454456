// SPDX-License-Identifier: Apache-2.0
// tessera: one program with verbs.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <sstream>

#include "support/guard.h"
#include "support/temporary.h"
#include "tools/flag_words.h"
#include "tools/print.h"
#include "tools/verb.h"

namespace tessera::tools {
namespace {

std::vector<Verb> verbs() {
  return {check_verb(),      compile_verb(), run_verb(),        bench_verb(),    inspect_verb(),
          recompiles_verb(), convert_verb(), make_model_verb(), requests_verb(), pack_verb(),
          trace_verb(),      verify_verb(),  sign_verb(),       keygen_verb(),   version_verb()};
}

void print_overview() {
  print(
      "usage: tessera VERB [FLAGS]\n\n"
      "Compiles ONNX encoders for a simulated IPU and runs them with packed inputs.\n\n");
  for (const Verb& verb : verbs()) print("  {:<12} {}\n", verb.name, verb.summary);
  print(
      "\n'tessera VERB --help' tells each verb's flags and gives an example.\n"
      "Exit codes: 0 ok, 1 error, 2 usage, 3 refused by a policy or a limit, 4 out of tile "
      "memory,\n"
      "            5 bad or untrusted file.\n");
}

void print_help(const Verb& verb, const po::options_description& flags) {
  print("usage: tessera {} {}\n\n{}\n\nexample:\n  {}\n\n", verb.name, verb.usage, verb.summary,
        Lines{verb.example});
  std::ostringstream text;
  text << flags;
  print("{}", Lines{text.str()});
}

int fail(const Error& error) {
  print_error("tessera: {}\n", error.message);
  return static_cast<int>(error.kind);
}

int run_verb_with(const Verb& verb, const std::vector<std::string>& words) {
  po::options_description flags = verb.flags();
  flags.add_options()("help,h", "show this help");
  po::variables_map map;
  try {
    po::positional_options_description positional;
    if (verb.positional) positional.add(verb.positional, -1);
    // Prefixes of flags are not flags: a typing slip must not pick one.
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::command_line_parser parser(normal_words(words, flags));
    po::store(parser.options(flags).positional(positional).style(style).run(), map);
    po::notify(map);
  } catch (const po::error& error) {
    print_error("tessera {}: {}\n'tessera {} --help' lists its flags\n", verb.name, error.what(),
                verb.name);
    return static_cast<int>(ErrorKind::Usage);
  }
  if (map.count("help")) {
    print_help(verb, flags);
    return 0;
  }
  const Status status = verb.run(map);
  return status.ok() ? 0 : fail(status.error());
}

int main_with(const std::vector<std::string>& words) {
  if (words.empty() || words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    print_overview();
    return words.empty() ? static_cast<int>(ErrorKind::Usage) : 0;
  }
  const std::string name = words[0] == "--version" ? "version" : words[0];
  for (const Verb& verb : verbs())
    if (name == verb.name) return run_verb_with(verb, {words.begin() + 1, words.end()});
  return fail({fmt::format("no verb '{}': 'tessera --help' lists them", name), ErrorKind::Usage});
}

// Where the caller has closed one of these, the next file that is opened would take its place, and
// what is meant for the caller would be written into it. What is opened here fails when it is used.
void hold_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) != -1 || errno != EBADF) continue;
    (void)!::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

// Nobody may take a part of the output for the whole.
int flush_output(int code) {
  const int reason = output_error();
  if (reason == 0) return code;
  return fail({fmt::format("standard output: cannot write: {}", std::strerror(reason))});
}

}  // namespace
}  // namespace tessera::tools

int main(int argc, char** argv) {
  using namespace tessera;
  tools::hold_standard_streams();
  remove_temporaries_on_signals();
  std::signal(SIGPIPE, SIG_IGN);  // a reader that has gone is an error of the write
  const Expected<int> code = guarded("tessera", [&]() -> Expected<int> {
    return tools::flush_output(tools::main_with({argv + std::min(argc, 1), argv + argc}));
  });
  return code.ok() ? *code : tools::fail(code.error());
}

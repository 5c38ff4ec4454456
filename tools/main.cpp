// SPDX-License-Identifier: Apache-2.0
// tessera: one program with verbs.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <string>
#include <string_view>

#include "support/guard.h"
#include "support/nearest.h"
#include "support/plain_text.h"
#include "support/temporary.h"
#include "tools/files/standard_input.h"
#include "tools/files/standard_output.h"
#include "tools/flags/flag_words.h"
#include "tools/flags/flags.h"
#include "tools/print/print.h"
#include "tools/print/progress.h"
#include "tools/verbs/in_python.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

void print_overview() {
  print(
      "usage: tessera VERB [FLAGS]\n\n"
      "Compiles ONNX encoders for a simulated IPU and runs them with packed inputs.\n\n");
  for (const Verb& verb : all_verbs()) print("  {:<12} {}\n", verb.name, verb.summary);
  print(
      "\n'tessera VERB --help' tells each verb's flags and gives an example.\n"
      "Exit codes: 0 ok, 1 error, 2 usage, 3 refused by a policy or a limit, 4 out of tile "
      "memory,\n"
      "            5 bad or untrusted file.\n");
}

// The name in capitals tells what bare words are, where nobody would write the flag.
std::string without_internals(std::string text) {
  constexpr std::string_view kFlag = "--words arg", kShown = "WORDS      ";
  const size_t at = text.find(kFlag);
  if (at != std::string::npos) text.replace(at, kFlag.size(), kShown);
  return text;
}

void print_help(const Verb& verb, const po::options_description& flags) {
  print("usage: tessera {} {}\n\n{}\n\nexample:\n  {}\n\n", verb.name, verb.usage, verb.summary,
        Lines{verb.example});
  std::ostringstream text;
  text << flags;
  print("{}", Lines{without_internals(text.str())});
}

// Errors of ours go on in lines that are indented. Any other end of a line is from a foreign name.
std::string in_lines(std::string_view message) {
  constexpr std::string_view kNextLine = "\n  ";
  std::string text;
  for (size_t at; (at = message.find(kNextLine)) != std::string_view::npos;) {
    text += visible(message.substr(0, at));
    text += kNextLine;
    message.remove_prefix(at + kNextLine.size());
  }
  return text + visible(message);
}

int fail(const Error& error) {
  print_error("tessera: {}\n", Lines{in_lines(error.message)});
  return static_cast<int>(error.kind);
}

// The parser's words, but for a flag that is not there: the nearest that is.
std::string parse_failure(const po::error& error, const po::options_description& flags) {
  const auto* unknown = dynamic_cast<const po::unknown_option*>(&error);
  if (!unknown) return error.what();
  std::vector<std::string> known;
  for (const auto& flag : flags.options()) known.push_back("--" + flag->long_name());
  const std::string& given = unknown->get_option_name();
  return fmt::format("'{}' is not a flag; did you mean '{}'?", given, nearest_name(given, known));
}

// "list, show, diff or advise"
std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words)
    text += (text.empty() ? "" : &word == &words.back() ? " or " : ", ") + word;
  return text;
}

// Refuses a first bare word that is not one of the verb's commands. Where it may be a file instead,
// one that is not there and is spelled much like a command.
Status check_command(const Verb& verb, const po::variables_map& flags) {
  if (verb.commands.empty() || !flags.count(verb.positional)) return {};
  const auto& words = flags[verb.positional].as<std::vector<std::string>>();
  if (words.empty() || std::ranges::count(verb.commands, words[0])) return {};
  const std::string nearest = nearest_name(words[0], verb.commands);
  constexpr size_t kMuchAlike = 2;
  std::error_code error;
  if (verb.or_a_file &&
      (edit_distance(words[0], nearest) > kMuchAlike || std::filesystem::exists(words[0], error)))
    return {};
  return Error{fmt::format("{}: '{}' is not a command; did you mean '{}'? must be {}{}", verb.name,
                           words[0], nearest, listed(verb.commands),
                           verb.or_a_file ? ", or a file that is there" : ""),
               ErrorKind::Usage};
}

int run_verb_with(const Verb& verb, const std::vector<std::string>& words) {
  const po::options_description flags = all_flags(verb);
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
    print_error("tessera {}: {}\n'tessera {} --help' lists its flags\n", verb.name,
                parse_failure(error, flags), verb.name);
    return static_cast<int>(ErrorKind::Usage);
  }
  if (map.count("help")) {
    print_help(verb, flags);
    return 0;
  }
  const auto progress = parse_progress(map["progress"].as<std::string>());
  if (!progress.ok()) return fail(progress.error());
  set_progress(*progress);
  if (const Status known = check_command(verb, map); !known.ok()) return fail(known.error());
  if (verb.in_python) {
    const Status status = run_in_python(verb.name, words);
    return status.ok() ? 0 : fail(status.error());
  }
  const auto limits = limits_of(map);
  if (!limits.ok()) return fail(limits.error());
  const auto input = StandardInput::take(map, static_cast<size_t>(limits->memory));
  if (!input.ok()) return fail(input.error());
  const auto output = StandardOutput::take(map, verb.name);
  if (!output.ok()) return fail(output.error());
  const Status status = verb.run(map);
  // The lines that a verb wrote before it failed are written here, too.
  const Status copied = *output ? (*output)->finish() : Status();
  if (!status.ok()) return fail(status.error());
  return copied.ok() ? 0 : fail(copied.error());
}

int main_with(const std::vector<std::string>& words) {
  const bool help =
      !words.empty() && (words[0] == "--help" || words[0] == "-h" || words[0] == "help");
  if (words.empty() || (help && words.size() == 1)) {
    print_overview();
    return help ? 0 : static_cast<int>(ErrorKind::Usage);
  }
  // "help VERB" is "VERB --help".
  const std::string name = help ? words[1] : words[0] == "--version" ? "version" : words[0];
  std::vector<std::string> known;
  for (const Verb& verb : all_verbs()) {
    known.push_back(verb.name);
    if (name == verb.name)
      return run_verb_with(verb, help ? std::vector<std::string>{"--help"}
                                      : std::vector(words.begin() + 1, words.end()));
  }
  return fail({fmt::format("'{}' is not a verb; did you mean '{}'? 'tessera --help' lists them",
                           name, nearest_name(name, known)),
               ErrorKind::Usage});
}

// Where the caller has closed one of these, the next file that is opened would take its place, and
// what is meant for the caller would be written into it. Those opened here fail when they are used.
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

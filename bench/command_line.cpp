// SPDX-License-Identifier: Apache-2.0
#include "bench/command_line.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "tools/print/progress.h"

namespace tessera {
namespace {

namespace po = tools::po;

int fail(const BenchCommand& command, const std::string& message, ErrorKind kind) {
  fmt::print(stderr, "{}: {}\n", command.name, message);
  if (kind == ErrorKind::Usage) fmt::print(stderr, "'{} --help' lists its flags\n", command.name);
  return static_cast<int>(kind);
}

}  // namespace

Status set_positive(const po::variables_map& map, const char* flag, int& value) {
  if (!map.contains(flag)) return {};
  value = map[flag].as<int>();
  if (value > 0) return {};
  return Error{fmt::format("--{}: {}, must be a positive whole number", flag, value),
               ErrorKind::Usage};
}

int bench_main(const BenchCommand& command, int argc, char** argv) {
  po::options_description flags;
  flags.add(command.flags).add_options()("help,h", "show this help");
  po::variables_map map;
  try {
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    const std::vector<std::string> words(argv + 1, argv + argc);
    po::store(po::command_line_parser(words)
                  .options(flags)
                  .positional(po::positional_options_description())
                  .style(style)
                  .run(),
              map);
    po::notify(map);
  } catch (const po::error& error) {
    return fail(command, error.what(), ErrorKind::Usage);
  }
  if (map.count("help")) {
    command.print_help();
    return 0;
  }
  tools::set_progress(*tools::parse_progress("auto"));
  const Status status = command.run(map);
  return status.ok() ? 0 : fail(command, status.error().message, status.error().kind);
}

}  // namespace tessera

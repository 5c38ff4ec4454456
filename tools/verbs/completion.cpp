// SPDX-License-Identifier: Apache-2.0
// tessera completion: what a shell completes, written from the table of verbs.
#include <fmt/format.h>

#include "support/plain_text.h"
#include "tools/print/print.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

struct Flag {
  std::string name;  // without "--"
  std::string help;  // its first line's worth
  bool takes_value = false;
};

std::vector<Flag> flags_of(const Verb& verb) {
  std::vector<Flag> flags;
  const po::options_description all = all_flags(verb);
  for (const auto& flag : all.options()) {
    const std::string& help = flag->description();
    flags.push_back({flag->long_name(), help.substr(0, help.find_first_of("\n:;(")),
                     flag->semantic()->max_tokens() > 0});
  }
  return flags;
}

// "list show diff advise", or nothing of a verb that is one command.
std::string commands_of(const Verb& verb) {
  return fmt::format("{}", fmt::join(verb.commands, " "));
}

std::string words_of_verbs() {
  std::string words;
  for (const Verb& verb : all_verbs()) words += (words.empty() ? "" : " ") + std::string(verb.name);
  return words;
}

void write_bash() {
  print("# bash completion of tessera: eval \"$(tessera completion bash)\"\n_tessera() {{\n");
  print("  local current=${{COMP_WORDS[COMP_CWORD]}} flags= commands=\n");
  print("  if ((COMP_CWORD == 1)); then\n");
  print("    mapfile -t COMPREPLY < <(compgen -W '{} help' -- \"$current\")\n    return\n  fi\n",
        words_of_verbs());
  print("  case ${{COMP_WORDS[1]}} in\n");
  for (const Verb& verb : all_verbs()) {
    std::string words;
    for (const Flag& flag : flags_of(verb)) words += " --" + flag.name;
    print("    {}) flags='{}' commands='{}' ;;\n", verb.name, words.substr(1), commands_of(verb));
  }
  print("    help) flags='{}' ;;\n  esac\n", words_of_verbs());
  print("  if [[ $current == -* || ${{COMP_WORDS[1]}} == help ]]; then\n");
  print("    mapfile -t COMPREPLY < <(compgen -W \"$flags\" -- \"$current\")\n");
  print("  elif ((COMP_CWORD == 2)) && [[ -n $commands ]]; then\n");
  print("    mapfile -t COMPREPLY < <(compgen -W \"$commands\" -f -- \"$current\")\n  else\n");
  print("    mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n  fi\n}}\n");
  print("complete -o filenames -F _tessera tessera\n");
}

// Brackets and colons have a meaning for _arguments and _describe.
std::string for_zsh(std::string_view text) {
  std::string word;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') word += '\\';
    word += c;
  }
  return word;
}

void write_zsh() {
  print("#compdef tessera\n_tessera() {{\n  local -a verbs commands flags\n");
  print("  if ((CURRENT == 2)); then\n    verbs=(\n");
  for (const Verb& verb : all_verbs())
    print("      {}\n", shell_word(std::string(verb.name) + ":" + for_zsh(verb.summary)));
  print("    )\n    _describe verb verbs\n    return\n  fi\n  case $words[2] in\n");
  for (const Verb& verb : all_verbs()) {
    print("    {}) commands=({}) flags=(\n", verb.name, commands_of(verb));
    for (const Flag& flag : flags_of(verb))
      print("      {}\n", shell_word("--" + flag.name + "[" + for_zsh(flag.help) + "]" +
                                     (flag.takes_value ? ":value:_files" : "")));
    print("    ) ;;\n");
  }
  print("  esac\n  shift words\n  ((CURRENT--))\n");
  print("  if ((CURRENT == 2 && $#commands)); then _describe command commands; fi\n");
  print("  _arguments -S $flags '*:file:_files'\n}}\n");
  print("if [[ $funcstack[1] == _tessera ]]; then _tessera; else compdef _tessera tessera; fi\n");
}

void write_fish() {
  for (const Verb& verb : all_verbs()) {
    print("complete -c tessera -f -n __fish_use_subcommand -a {} -d {}\n", verb.name,
          shell_word(verb.summary));
    if (!verb.commands.empty())
      print("complete -c tessera -n '__fish_seen_subcommand_from {}' -a {}\n", verb.name,
            shell_word(commands_of(verb)));
    for (const Flag& flag : flags_of(verb))
      print("complete -c tessera -n '__fish_seen_subcommand_from {}' -l {}{} -d {}\n", verb.name,
            flag.name, flag.takes_value ? " -r" : "", shell_word(flag.help));
  }
}

po::options_description completion_flags() {
  po::options_description flags("Completion");
  flags.add_options()("shell", po::value<std::vector<std::string>>(), "bash, zsh or fish");
  return flags;
}

Status do_completion(const po::variables_map& flags) {
  using Words = std::vector<std::string>;
  const Words shells = flags.count("shell") ? flags["shell"].as<Words>() : Words();
  if (shells.size() != 1)
    return Error{"completion: must be of one shell: bash, zsh or fish", ErrorKind::Usage};
  if (shells[0] == "bash") write_bash();
  if (shells[0] == "zsh") write_zsh();
  if (shells[0] == "fish") write_fish();
  return {};
}

}  // namespace

Verb completion_verb() {
  return {
      "write what a shell completes: verbs, flags and files",
      "bash|zsh|fish",
      "eval \"$(tessera completion bash)\"",
      completion_flags,
      "shell",
      do_completion,
      false,
      {"bash", "zsh", "fish"}
  };
}

}  // namespace tessera::tools

// SPDX-License-Identifier: Apache-2.0
// tessera manual: the manual page, in man's own language, written from the table of verbs.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <tuple>
#include <utility>

#include "support/plain_text.h"
#include "tools/print/print.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

// A flag's name, its argument and its help: two flags that agree in all are one flag.
using ManualFlag = std::tuple<std::string, std::string, std::string>;

// A character of UTF-8 at `at`, as groff writes it whatever its locale: \[u2026]. Moves `at`
// behind.
std::string beyond_ascii(std::string_view text, size_t& at) {
  const auto byte = [&] { return static_cast<unsigned char>(text[at]); };
  const int more = byte() >= 0xf0 ? 3 : byte() >= 0xe0 ? 2 : 1;
  uint32_t code = byte() & (0x3fu >> more);
  ++at;
  for (int i = 0; i < more && at < text.size(); ++i, ++at) code = code << 6 | (byte() & 0x3fu);
  return fmt::format("\\[u{:04X}]", code);
}

// Text as man prints it, whatever it begins with or holds.
std::string for_man(std::string_view text) {
  std::string out;
  bool begins_line = true;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) >= 0x80) {
      out += beyond_ascii(text, i);
      --i;
      begins_line = false;
      continue;
    }
    if (begins_line && (c == '.' || c == '\'')) out += "\\&";
    begins_line = c == '\n';
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out;
}

// As help writes a default: 0.6, and not as many digits as a double has.
std::string default_of(const po::option_description& flag) {
  const std::string text = flag.format_parameter();
  const size_t begin = text.rfind("(=");
  if (begin == std::string::npos || text.back() != ')') return "";
  const std::string value = text.substr(begin + 2, text.size() - begin - 3);
  if (value.size() < 17 || !value.starts_with("0.")) return value;
  return fmt::format("{:.6g}", std::stod(value));
}

ManualFlag manual_flag(const po::option_description& flag) {
  std::string names = "--" + flag.long_name();
  const std::string formatted = flag.format_name();  // "-o [ --output ]"
  if (formatted.starts_with('-') && formatted.size() > 2 && formatted[1] != '-')
    names = formatted.substr(0, 2) + ", " + names;
  const std::string usual = default_of(flag);
  const std::string takes = flag.semantic()->max_tokens() == 0 ? ""
                            : usual.empty()                    ? "VALUE"
                                                               : "VALUE (" + usual + ")";
  return {names, takes, flag.description()};
}

std::vector<ManualFlag> manual_flags(const Verb& verb) {
  std::vector<ManualFlag> flags;
  const po::options_description all = all_flags(verb);
  for (const auto& flag : all.options()) {
    const bool is_positional = verb.positional && flag->long_name() == verb.positional;
    if (!is_positional) flags.push_back(manual_flag(*flag));
  }
  return flags;
}

// The verbs that have a flag, in their order.
using Owners = std::map<ManualFlag, std::vector<std::string>>;

Owners owners_of_flags(const std::vector<Verb>& verbs) {
  Owners owners;
  for (const Verb& verb : verbs)
    for (const ManualFlag& flag : manual_flags(verb)) owners[flag].push_back(verb.name);
  return owners;
}

void print_flag(const ManualFlag& flag, const std::string& more = "") {
  const auto& [names, takes, help] = flag;
  print(".TP\n\\fB{}\\fR{}\n", for_man(names),
        takes.empty() ? "" : " \\fI" + for_man(takes) + "\\fR");
  print("{}\n", Lines{for_man(help + more)});
}

void print_verb(const Verb& verb, const Owners& owners) {
  print(".SS {}\n{}.\n.PP\n.nf\n\\fBtessera {}\\fR {}\n.fi\n", for_man(verb.name),
        for_man(verb.summary), for_man(verb.name), for_man(verb.usage));
  for (const ManualFlag& flag : manual_flags(verb))
    if (owners.at(flag).size() == 1) print_flag(flag);
  print(".PP\nFor example:\n.PP\n.RS 4\n.nf\n");
  std::istringstream lines(verb.example);
  for (std::string line; std::getline(lines, line);)
    print("{}\n", for_man(line.substr(std::min(line.find_first_not_of(' '), line.size()))));
  print(".fi\n.RE\n");
}

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

void print_shared(const std::vector<Verb>& verbs, const Owners& owners) {
  print(".SH FLAGS OF SEVERAL VERBS\n");
  std::map<ManualFlag, bool> told;
  for (const Verb& verb : verbs)
    for (const ManualFlag& flag : manual_flags(verb)) {
      const std::vector<std::string>& of = owners.at(flag);
      if (of.size() == 1 || std::exchange(told[flag], true)) continue;
      print_flag(flag,
                 of.size() == verbs.size() ? "\nOf every verb." : "\nOf " + list_of(of) + ".");
    }
}

constexpr std::string_view kBefore =
    ".SH NAME\ntessera \\- compile ONNX encoders for a simulated IPU and run them, packed\n"
    ".SH SYNOPSIS\n\\fBtessera\\fR \\fIVERB\\fR [\\fIFLAGS\\fR]\n.br\n\\fBtessera help\\fR "
    "[\\fIVERB\\fR]\n"
    ".SH DESCRIPTION\nModels become executables for a simulated IPU; these run on whole batches, "
    "or on single requests that are packed into batches. Every cycle and byte that is told is "
    "modelled; times of the host are named as such.\n"
    ".PP\nFlags are written with _, and - is taken in its place. Their prefixes are not flags.\n";

// {}: the verbs that are carried out in Python.
constexpr std::string_view kAfter =
    ".SH EXIT STATUS\n"
    ".TP\n\\fB0\\fR\nAll is well.\n.TP\n\\fB1\\fR\nAn error, told on standard error.\n"
    ".TP\n\\fB2\\fR\nUsage: a flag, a verb or a value that is not one.\n"
    ".TP\n\\fB3\\fR\nRefused by a policy or a limit.\n"
    ".TP\n\\fB4\\fR\nOut of tile memory.\n.TP\n\\fB5\\fR\nA bad or untrusted file.\n"
    ".SH ENVIRONMENT\n"
    ".TP\n\\fBTESSERA_CACHE_DIR\\fR\nThe folder of executables that sessions share, where no flag "
    "says one.\n"
    ".TP\n\\fBTESSERA_OBJECT_CACHE\\fR\nThe folder of compiled codelets; \"\" for none. Without it "
    "tessera below the user's cache folder.\n"
    ".TP\n\\fBTESSERA_PYTHON\\fR\nThe Python that carries out the verbs {}.\n"
    ".TP\n\\fBNO_COLOR\\fR\nPictures are drawn without colours.\n"
    ".SH SEE ALSO\n\\fBminisign\\fR(1)\n";

std::vector<std::string> verbs_in_python(const std::vector<Verb>& verbs) {
  std::vector<std::string> names;
  for (const Verb& verb : verbs)
    if (verb.in_python) names.emplace_back(verb.name);
  return names;
}

Status do_manual(const po::variables_map&) {
  const std::vector<Verb> verbs = all_verbs();
  const Owners owners = owners_of_flags(verbs);
  print(".TH TESSERA 1 \"\" \"Tessera {}\" \"User Commands\"\n", TESSERA_VERSION);
  print("{}.SH VERBS\n", Lines{kBefore});
  for (const Verb& verb : verbs) print_verb(verb, owners);
  print_shared(verbs, owners);
  print("{}", Lines{fmt::format(kAfter, fmt::join(verbs_in_python(verbs), " and "))});
  return {};
}

po::options_description manual_own_flags() { return po::options_description("Manual"); }

}  // namespace

Verb manual_verb() {
  return {"write the manual page: tessera manual | man -l -",
          "",
          "tessera manual > tessera.1",
          manual_own_flags,
          nullptr,
          do_manual};
}

}  // namespace tessera::tools

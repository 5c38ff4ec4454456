// SPDX-License-Identifier: Apache-2.0
// Names, log fields and words of the command line that hold what a terminal obeys, through every
// verb: what is printed holds none of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <sstream>

#include "support/plain_text.h"
#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::HasSubstr;
using Words = std::vector<std::string>;

const std::string kEscape =
    "\x1b[31m\x1b]0;t\x07\xc2\x9b"
    "2J\xff";
const std::string kTurned = "\u202e";  // allowed in an executable, where controls are not

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  EXPECT_EQ(from.size(), to.size()) << "lengths stand in the file";
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

// The tiny model with other names of the same lengths.
std::string model_with_names(const std::string& file, const std::string& ids,
                             const std::string& logits) {
  const std::string bytes = read_file(tiny_model());
  write_file(path(file), replaced(replaced(bytes, "input_ids", ids), "start_logits", logits));
  return path(file);
}

class Terminal : public ::testing::Test {
 protected:
  Result plain(const Words& words) {
    const Result result = tessera(words);
    std::string line;
    for (const std::string& word : words) line += " " + visible(word);
    for (const std::string& text : {result.out, result.err})
      EXPECT_EQ(visible_lines(text), text) << line;
    verbs_.insert(words[0]);
    return result;
  }
  Result compiled(const std::string& model, const std::string& to, const Words& more) {
    Words words = {"compile", "--input_model", model, "--target", "test", "-o", path(to)};
    words.insert(words.end(), more.begin(), more.end());
    return plain(words);
  }
  std::set<std::string> verbs_;
};

std::string log_with(const std::string& field, const std::string& cause = "first_seen") {
  return R"({"schema":"recompile/1","event_id":0,"ts_unix_ns":1,"model":{"name":")" + field +
         R"(","sha256":""},"kind":"cold_compile","cause":")" + cause + R"(","shapes":{")" + field +
         R"(":[4,16]},"nearest":null,"diff":[{"input":")" + field + R"(","axis":1,"axis_name":")" +
         field + R"(","before":1,"after":2}],"time":{"phases_ms":{")" + field +
         R"(":1},"wall_ms":5},"impact":{"requests_blocked":1},"error":")" + field + "\"}\n";
}

TEST_F(Terminal, every_verb_prints_plain_text) {
  // Controls in names: what comes to a terminal is an error that names them.
  const std::string controls = model_with_names("controls.onnx", "in\x1b[31mxy",
                                                "start\x1b[2J\xc2\x9b"
                                                "1");
  compiled(controls, "controls.popef", {"--input_shape", "in\x1b[31mxy=4,16"});
  compiled(controls, "controls.popef", {});
  plain({"run", controls, "--random", "in\x1b[31mxy=4,16", "--outputs", path("c_out")});
  plain({"convert", "-i", controls, "-o", path("c.onnx"), "--input_shape", "in\x1b[31mxy=4,16"});

  // Names that are allowed in an executable, and turn the direction of a line.
  const std::string ids = "in" + kTurned + "_ids", logits = "start" + kTurned + "_its";
  const std::string model = model_with_names("turned.onnx", ids, logits.substr(0, 12));
  const std::string popef = path("turned.popef"), packed = path("turned_b.popef");
  ASSERT_EQ(compiled(model, "turned.popef", {"--input_shape", ids + "=4,16"}).exit_code, 0);
  compiled(model, "turned.popef", {"--input_shape", ids + "=4,16", "--json"});
  compiled(model, "turned_b.popef",
           {"--input_shape", ids + "=4,16", "--passes", "insert_attention_mask"});
  plain({"quantize", model, "-o", path("q.onnx")});
  plain({"quantize", model, "-o", path("q.onnx"), "--skip_op_names", kEscape});
  plain({"quantize", controls, "-o", path("q.onnx"), "--json"});
  plain({"quantize", model, "-o", path("q.onnx"), "--calibration", path(kEscape)});
  plain({"convert", "-i", model, "-o", path("t.onnx"), "--input_shape", ids + "=4,16"});
  for (const std::string& one : {model, controls}) {
    plain({"check", one, "--by_layer"});
    plain({"check", one, "--json"});
    plain({"inspect", one});
    plain({"inspect", one, "--json"});
  }
  for (const char* view : {"--cycles", "--ops", "--memory", "--liveness", "--json", "--supersteps",
                           "--program", "--blobs"}) {
    EXPECT_EQ(plain({"inspect", popef, view}).exit_code, 0) << view;
    plain({"inspect", popef, view, "--json"});
  }
  for (const char* picture : {"tiles", "supersteps", "memory", "\x1b[2J"})
    plain({"inspect", popef, "--picture", picture});
  EXPECT_THAT(plain({"inspect", popef}).out, HasSubstr("in\\u202e_ids"));
  plain({"inspect", popef, "--node", kEscape});
  plain({"inspect", popef, "--superstep", kEscape});
  EXPECT_EQ(plain({"trace", popef, "-o", path("turned.pftrace")}).exit_code, 0);
  plain({"trace", popef, "-o", path("turned.pftrace"), "--json"});
  plain({"trace", path("none" + kEscape), "-o", path("t.pftrace")});
  plain({"serve", "t=" + path("none" + kEscape), "--http_port", "0"});
  plain({"serve", kEscape + "=" + popef, "--host", kEscape});
  plain({"run", popef, "--random", "yes", "--outputs", path("t_out")});
  plain({"run", popef, "--inputs", path("none" + kEscape)});
  plain({"run", model, "--random", ids + "=4,16", ids + "=4,12", "--events", path("t.jsonl"),
         "--metrics", path("t.prom")});
  plain({"run", packed, "--requests", path("none" + kEscape)});
  plain({"bench", popef, packed});
  plain({"bench", popef, "--json"});
  plain({"bench", "--online", "--virtual", "--batch_microseconds", "9", "--rate", "1e4",
         "--requests", "50", "--explain"});
  plain({"bench", "--online", "--virtual", "--trace", path("none" + kEscape)});
  write_ints(path("t_lengths.npy"), {5, 6, 3, 7}, {4});
  plain({"pack", path("t_lengths.npy"), "--executable", popef, "--picture", "0"});
  plain({"pack", "tune", path("t_lengths.npy"), "--executables", popef, packed});
  plain({"pack", path(kEscape + ".csv")});

  for (const std::string& field :
       {std::string("\\u001b[31m\\u009b\\u202e\\n\\u0000"), "\u202e\u200b\uc2a0" + kTurned}) {
    const std::string log = path("hostile.jsonl");
    write_file(log, log_with(field) + log_with(field + "2") + log_with(field, field));
    for (const Words& words : {
             Words{"list"},
             {"show", "0"},
             {"diff", "0", "1"},
             {"advise"}
    }) {
      plain({"trace", "--events", log, "-o", path("t.pftrace")});
      Words all = {"recompiles"};
      all.insert(all.end(), words.begin(), words.end());
      all.push_back(log);
      plain(all);
      all.push_back("--json");
      EXPECT_EQ(plain(all).exit_code, 0);
    }
  }
  plain({"recompiles", "list", path("t.jsonl")});
  plain({"recompiles", "list", path(kEscape)});
  write_file(path("bad.jsonl"), "{\"schema\":\"" + kTurned + "\"}\n");
  plain({"recompiles", "list", path("bad.jsonl")});

  plain({"report", popef, "-o", path("turned.html")});
  plain({"report", path(kEscape)});
  plain({"serve", kEscape});
  plain({"sweep", kEscape, "--" + kEscape});
  plain({"text", kEscape});
  plain({"requests", path(kEscape), "-o", path(kEscape)});
  plain({"make-model", "--preset", kEscape, "-o", path("m.onnx")});
  plain({"verify", path(kEscape)});
  plain({"verify", path("m.onnx"), "--json"});
  plain({"sign", path(kEscape), "--secret_key", path(kTurned)});
  plain({"keygen", "--no_password", "--secret_key", path("missing/" + kEscape)});
  plain({"completion", kEscape});
  plain({"manual"});
  plain({"version"});
  plain({"version", "--json"});
  plain({"doctor"});
  plain({"tune", "--seconds", "0.1", "--dry_run"});
  plain({"tune", "--seconds", "0.1", "--dry_run", "--json"});
  plain({"doctor", "--json"});
  plain({"version", "--" + kEscape});
  plain({kEscape});
  verbs_.erase(kEscape);

  // No verb was left out.
  const Result help = tessera({"--help"});
  std::istringstream lines(help.out);
  size_t listed = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("  ") || line[2] == ' ') continue;
    const std::string verb = line.substr(2, line.find(' ', 2) - 2);
    ++listed;
    EXPECT_TRUE(verbs_.contains(verb)) << "'" << verb << "' is not tried here";
  }
  EXPECT_GE(listed, 9u);
}

TEST_F(Terminal, json_is_json_and_keeps_its_names) {
  const std::string ids = "in" + kTurned + "_ids";
  const std::string model = model_with_names("kept.onnx", ids, "start_logits");
  ASSERT_EQ(compiled(model, "kept.popef", {"--input_shape", ids + "=4,16"}).exit_code, 0);
  EXPECT_THAT(plain({"inspect", path("kept.popef"), "--json"}).out, HasSubstr("\"in\\u202e_ids\""));
}

}  // namespace
}  // namespace tessera::cli

// SPDX-License-Identifier: Apache-2.0
// tessera verify, keygen, sign, --require_signature and --sandbox, as a user meets them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "tests/tools/command_line.h"
#include "tools/sandbox/sandbox.h"

namespace tessera::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

// A copy of the padded executable under another name.
std::string copy_of_executable(const std::string& name) {
  write_file(path(name), read_file(padded_executable()));
  return path(name);
}
std::string changed(const std::string& name) {
  std::string bytes = read_file(padded_executable());
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write_file(path(name), bytes);
  return path(name);
}

struct Keys {
  std::string secret, open;
};
Keys make_keys(const std::string& name) {
  Keys keys{path(name + ".key"), path(name + ".pub")};
  if (exists(keys.secret)) return keys;
  const Result made =
      tessera({"keygen", "--secret_key", keys.secret, "--public_key", keys.open, "--no_password"});
  EXPECT_EQ(made.exit_code, 0) << made.err;
  return keys;
}
std::string signed_executable(const std::string& name, const Keys& keys) {
  const std::string file = copy_of_executable(name);
  const Result done = tessera({"sign", file, "--secret_key", keys.secret});
  EXPECT_EQ(done.exit_code, 0) << done.err;
  return file;
}

// --- verify ---

TEST(Verify, a_sound_file_is_told_with_counts_and_nothing_is_left_behind) {
  const std::string file = copy_of_executable("sound.popef");
  const Result text = tessera({"verify", file});
  EXPECT_EQ(text.exit_code, 0) << text.err;
  for (const char* word : {": sound", "blobs", "SHA-256", "supersteps", "vertices", "operands",
                           "own tile", "metadata", "fits", "vertices", "none asked for"})
    EXPECT_THAT(text.out, HasSubstr(word));
  EXPECT_FALSE(exists(file + ".minisig"));

  const Json all = Json::parse(tessera({"verify", file, "--json"}).out)["files"];
  ASSERT_EQ(all.size(), 1u);
  const Json& is = all[0];
  EXPECT_TRUE(is["sound"]);
  const Json inspected = Json::parse(tessera({"inspect", file, "--json"}).out);
  EXPECT_EQ(is["sha256"], inspected["sha256"]);
  EXPECT_EQ(is["blobs"].size(), inspected["blobs"].size());
  EXPECT_EQ(is["program"]["supersteps"], inspected["supersteps"].size());
  int64_t vertices = 0;
  for (const Json& step : inspected["supersteps"]) vertices += step["vertices"].get<int64_t>();
  EXPECT_EQ(is["program"]["vertices"], vertices);
  EXPECT_GT(is["program"]["operands"], vertices);
  EXPECT_GE(is["limits"]["vertices"]["used"], vertices);
  EXPECT_EQ(is["memory"]["peak_bytes"], inspected["memory"]["peak_bytes"]);
  EXPECT_TRUE(is["signature"].is_null());
}

TEST(Verify, the_exit_code_is_that_of_the_gravest_file) {
  const std::string sound = copy_of_executable("sound2.popef"), bad = changed("bad.popef");
  const Result one = tessera({"verify", bad});
  EXPECT_EQ(one.exit_code, kBadFile);
  EXPECT_THAT(one.err, HasSubstr("bad.popef: blob"));
  EXPECT_THAT(one.out, Not(HasSubstr("sound")));

  const Result three = tessera({"verify", bad, sound, path("missing.popef"), "--json"});
  EXPECT_EQ(three.exit_code, kBadFile);
  EXPECT_THAT(three.err, HasSubstr("2 of 3 files are not sound"));
  EXPECT_THAT(three.err, HasSubstr("bad.popef: blob"));
  EXPECT_THAT(three.err, HasSubstr("missing.popef"));
  const Json all = Json::parse(three.out)["files"];
  EXPECT_FALSE(all[0]["sound"]);
  EXPECT_TRUE(all[1]["sound"]);
  EXPECT_FALSE(all[2]["sound"]);
  EXPECT_EQ(tessera({"verify", path("missing.popef")}).exit_code, kError);
}

TEST(Verify, past_a_limit_is_refused) {
  const Result result = tessera({"verify", padded_executable(), "--limit", "vertices=10"});
  EXPECT_EQ(result.exit_code, kRefused);
  EXPECT_THAT(result.err, HasSubstr("--limit vertices=VALUE"));
}

TEST(Verify, a_model_is_not_an_executable) {
  const Result result = tessera({"verify", tiny_model()});
  EXPECT_EQ(result.exit_code, kUsage);
  EXPECT_THAT(result.err, HasSubstr("must be an executable"));
  EXPECT_EQ(tessera({"verify"}).exit_code, kUsage);
}

// --- keygen and sign ---

TEST(Keygen, the_secret_key_is_its_owners_and_never_replaced) {
  const Keys keys = make_keys("owner");
  struct stat status;
  ASSERT_EQ(::stat(keys.secret.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_THAT(read_file(keys.open), HasSubstr("untrusted comment: minisign public key"));
  const std::string before = read_file(keys.secret);
  const Result again = tessera(
      {"keygen", "--secret_key", keys.secret, "--public_key", path("other.pub"), "--no_password"});
  EXPECT_EQ(again.exit_code, kError);
  EXPECT_THAT(again.err, HasSubstr("a key is never replaced"));
  EXPECT_EQ(read_file(keys.secret), before);
  EXPECT_FALSE(exists(path("other.pub")));
}

TEST(Sign, says_what_it_needs) {
  EXPECT_EQ(tessera({"sign"}).exit_code, kUsage);
  EXPECT_THAT(tessera({"sign", padded_executable()}).err, HasSubstr("tessera keygen"));
  const Result no_key = tessera({"sign", padded_executable(), "--secret_key", make_keys("k").open});
  EXPECT_EQ(no_key.exit_code, kBadFile);
  EXPECT_THAT(no_key.err, HasSubstr("is not a secret key"));
}

TEST(Sign, the_comment_is_signed_and_shown) {
  const Keys keys = make_keys("commented");
  const std::string file = copy_of_executable("commented.popef");
  ASSERT_EQ(
      tessera({"sign", file, "--secret_key", keys.secret, "--comment", "release 7"}).exit_code, 0);
  const Result unasked = tessera({"verify", file});
  EXPECT_THAT(unasked.out, HasSubstr("not checked"));
  EXPECT_THAT(unasked.out, Not(HasSubstr("release 7")));
  EXPECT_THAT(tessera({"verify", file, "--require_signature", keys.open}).out,
              HasSubstr("release 7"));
}

// --- --require_signature ---

// Every verb that loads an executable, but for the word that requires a signature.
std::vector<Words> loading_verbs(const std::string& file) {
  return {
      {"verify", file},
      {"inspect", file},
      {"trace", file, "-o", path("signed.pftrace")},
      {"run", file, "--random", "yes"},
      {"run", file, "--random", "yes", "--sandbox"},
      {"bench", file, "--iterations", "1"},
      {"bench", "--online", file, "--virtual", "--requests", "10", "--rate", "100"},
      {"pack", "--random", "10", "--avg_seq_len", "8", "--max_seq_len", "16", "--executable", file},
      {"pack", "tune", "--random", "10", "--avg_seq_len", "8", "--max_seq_len", "16",
       "--executables", file},
  };
}

TEST(RequireSignature, every_verb_takes_what_the_key_signed) {
  const Keys keys = make_keys("right");
  const std::string file = signed_executable("signed.popef", keys);
  for (Words words : loading_verbs(file)) {
    words.insert(words.end(), {"--require_signature", keys.open});
    const Result result = tessera(words);
    EXPECT_EQ(result.exit_code, 0) << testing::PrintToString(words) << result.err;
  }
  const std::string key = read_file(keys.open);
  const std::string line = key.substr(key.find('\n') + 1, 56);
  EXPECT_EQ(tessera({"verify", file, "--require_signature", line}).exit_code, 0);
}

TEST(RequireSignature, no_verb_takes_anything_else) {
  const Keys keys = make_keys("right"), others = make_keys("others");
  const std::string unsigned_file = copy_of_executable("unsigned.popef");
  const std::string by_others = signed_executable("by_others.popef", others);
  const std::string changed_after = signed_executable("changed_after.popef", keys);
  write_file(changed_after, read_file(changed_after) + std::string(64, '\0'));
  const std::pair<std::string, std::string> cases[] = {
      {unsigned_file, "has no signature"},
      {by_others,     "is signed by key"},
      {changed_after, "was changed"     },
  };
  for (const auto& [file, said] : cases)
    for (Words words : loading_verbs(file)) {
      words.insert(words.end(), {"--require_signature", keys.open});
      const Result result = tessera(words);
      EXPECT_EQ(result.exit_code, kBadFile) << testing::PrintToString(words) << result.out;
      EXPECT_THAT(result.err, HasSubstr(said)) << testing::PrintToString(words);
    }
}

TEST(RequireSignature, is_refused_where_it_would_hold_nothing) {
  const std::string key = make_keys("right").open;
  const Result model =
      tessera({"run", tiny_model(), "--random", "input_ids=4,16", "--require_signature", key});
  EXPECT_EQ(model.exit_code, kUsage);
  EXPECT_THAT(model.err, HasSubstr("a session makes its own"));
  EXPECT_EQ(tessera({"pack", "--random", "10", "--require_signature", key}).exit_code, kUsage);
  const Result no_key =
      tessera({"verify", padded_executable(), "--require_signature", "/no/such.pub"});
  EXPECT_EQ(no_key.exit_code, kUsage);
  EXPECT_THAT(no_key.err, HasSubstr("/no/such.pub"));
}

// --- --sandbox ---

class RunSandbox : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const Status status = tools::check_sandbox(); !status.ok())
      GTEST_SKIP() << status.error().message;
  }
};

TEST_F(RunSandbox, answers_are_those_of_a_run_without) {
  const std::string plain = path("plain_answers"), locked = path("locked_answers");
  ASSERT_EQ(tessera({"run", padded_executable(), "--inputs", padded_inputs(), "--outputs", plain})
                .exit_code,
            0);
  const Result result = tessera(
      {"run", padded_executable(), "--inputs", padded_inputs(), "--outputs", locked, "--sandbox"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("ran in"));
  for (const char* name : {"/start_logits.npy", "/end_logits.npy"}) {
    ASSERT_TRUE(exists(plain + name));
    EXPECT_EQ(read_file(locked + name), read_file(plain + name));
  }
}

TEST_F(RunSandbox, requests_are_answered_the_same) {
  for (const char* name : {"one", "two"}) {
    write_ints(path("asked/") + name + "/input_ids.npy", {1, 2, 3, 4}, {4});
    write_ints(path("asked/") + name + "/token_type_ids.npy", {0, 0, 0, 0}, {4});
  }
  Words words = {"run", packed_executable(), "--requests", path("asked"), "--outputs"};
  Words plain = words, locked = words;
  plain.push_back(path("plain_requests"));
  locked.insert(locked.end(), {path("locked_requests"), "--sandbox"});
  ASSERT_EQ(tessera(plain).exit_code, 0);
  const Result result = tessera(locked);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const char* name : {"/one/start_logits.npy", "/two/end_logits.npy"})
    EXPECT_EQ(read_file(path("locked_requests") + name), read_file(path("plain_requests") + name));
}

TEST_F(RunSandbox, errors_keep_their_words_and_codes) {
  const Result bad = tessera({"run", changed("bad_inside.popef"), "--random", "yes", "--sandbox"});
  EXPECT_EQ(bad.exit_code, kBadFile);
  EXPECT_THAT(bad.err, HasSubstr("bad_inside.popef: blob"));
  const Result missing =
      tessera({"run", padded_executable(), "--inputs", path("no_such_folder"), "--sandbox"});
  EXPECT_EQ(missing.exit_code, kError);
  EXPECT_THAT(missing.err, HasSubstr("no_such_folder"));
  const Result model = tessera({"run", tiny_model(), "--random", "input_ids=4,16", "--sandbox"});
  EXPECT_EQ(model.exit_code, kUsage);
  EXPECT_THAT(model.err, HasSubstr("--sandbox needs an executable"));
  EXPECT_EQ(tessera({"bench", "--online", padded_executable(), "--sandbox"}).exit_code, kUsage);
}

TEST_F(RunSandbox, a_bench_runs_in_it) {
  const Result result = tessera({"bench", padded_executable(), "--iterations", "2", "--sandbox"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("batches/s"));
}

}  // namespace
}  // namespace tessera::cli

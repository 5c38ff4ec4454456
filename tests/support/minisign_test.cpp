// SPDX-License-Identifier: Apache-2.0
// tests/data/minisign was made by minisign 0.11: plain.key has no password, that of locked.key is
// "correct horse".
#include "support/minisign.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>

#include "support/file.h"
#include "tests/helpers/paths.h"
#include "tests/helpers/test_with_folder.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

std::string data(const std::string& name) {
  auto text = read_text_file(tessera::test::source_dir() + "/tests/data/minisign/" + name);
  EXPECT_TRUE(text.ok()) << text.error().message;
  return text.ok() ? text.take() : "";
}
std::span<const std::byte> view_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}
Expected<std::string> no_password() { return Error{"was asked for a password"}; }
AskPassword password(const std::string& word) {
  return [word] { return Expected<std::string>(word); };
}
SecretKey plain_key() { return parse_secret_key(data("plain.key"), no_password).take(); }

void expect_bad(std::string_view file, std::string_view signature, const PublicKey& key,
                const std::string& words) {
  const auto checked = check_signature(std::as_bytes(std::span(file)), signature, key);
  ASSERT_FALSE(checked.ok()) << words;
  EXPECT_EQ(checked.error().kind, ErrorKind::BadFile);
  EXPECT_THAT(checked.error().message, HasSubstr(words));
}

TEST(Minisign, a_signature_of_the_tool_is_sound) {
  const auto key = parse_public_key(data("plain.pub"));
  ASSERT_TRUE(key.ok()) << key.error().message;
  EXPECT_EQ(to_string(key->number), "BFDEB22CF755A3B8");
  const std::string message = data("message.txt");
  const auto comment = check_signature(view_of(message), data("plain.minisig"), *key);
  ASSERT_TRUE(comment.ok()) << comment.error().message;
  EXPECT_EQ(*comment, "made by the real tool");
  EXPECT_EQ(*signer_of(data("plain.minisig")), key->number);
}

TEST(Minisign, a_public_key_is_a_file_its_text_or_its_second_line) {
  const std::string text = data("plain.pub");
  const std::string line = text.substr(text.find('\n') + 1, 56);
  EXPECT_EQ(parse_public_key(line)->key, parse_public_key(text)->key);
  EXPECT_EQ(read_public_key(line)->key, parse_public_key(text)->key);
  const std::string path = tessera::test::source_dir() + "/tests/data/minisign/plain.pub";
  EXPECT_EQ(read_public_key(path)->key, parse_public_key(text)->key);
  EXPECT_EQ(parse_public_key(public_key_text(*parse_public_key(text)))->key,
            parse_public_key(text)->key);
  EXPECT_THAT(read_public_key("/no/such.pub").error().message, HasSubstr("/no/such.pub"));
  EXPECT_EQ(parse_public_key(data("plain.key")).error().kind, ErrorKind::BadFile);
}

TEST(Minisign, every_changed_byte_of_file_or_signature_is_found) {
  const PublicKey key = parse_public_key(data("plain.pub")).take();
  const std::string message = data("message.txt"), signature = data("plain.minisig");
  for (size_t i = 0; i < message.size(); ++i) {
    std::string changed = message;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    expect_bad(changed, signature, key, "was changed");
  }
  for (size_t i = signature.find('\n'); i + 1 < signature.size(); ++i) {  // what nobody signed ends
    std::string changed = signature;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(check_signature(view_of(message), changed, key).ok()) << i;
  }
  for (size_t length = 0; length + 1 < signature.size(); ++length)
    EXPECT_FALSE(check_signature(view_of(message), signature.substr(0, length), key).ok());
}

TEST(Minisign, what_is_wrong_is_said) {
  const PublicKey key = parse_public_key(data("plain.pub")).take();
  const std::string message = data("message.txt");
  expect_bad(message, data("locked.minisig"), key,
             "is signed by key 4439A51AF80CD0FA, must be by BFDEB22CF755A3B8");
  expect_bad(message, data("old.minisig"), key, "old form");
  expect_bad(message, "", key, "four lines");
  expect_bad(message + " ", data("plain.minisig"), key, "the file or its signature was changed");
  std::string commented = data("plain.minisig");
  commented.replace(commented.find("real"), 4, "true");
  expect_bad(message, commented, key, "trusted comment is not what");
}

TEST(Minisign, the_number_of_a_key_is_not_enough) {
  PublicKey other = SecretKey::generate().public_key();
  other.number = parse_public_key(data("plain.pub"))->number;
  expect_bad(data("message.txt"), data("plain.minisig"), other, "was changed");
}

TEST(Minisign, a_key_of_the_tool_signs) {
  const SecretKey key = plain_key();
  EXPECT_EQ(key.public_key().key, parse_public_key(data("plain.pub"))->key);
  const std::string file = "any bytes";
  const auto signature = sign(view_of(file), key, "timestamp:1\tfile:x");
  ASSERT_TRUE(signature.ok());
  EXPECT_EQ(*check_signature(view_of(file), *signature, key.public_key()), "timestamp:1\tfile:x");
  EXPECT_EQ(sign(view_of(file), key, "two\nlines").error().kind, ErrorKind::Usage);
}

TEST(Minisign, a_key_with_a_password_of_the_tool_opens_with_it_alone) {
  const auto key = parse_secret_key(data("locked.key"), password("correct horse"));
  ASSERT_TRUE(key.ok()) << key.error().message;
  EXPECT_EQ(key->public_key().key, parse_public_key(data("locked.pub"))->key);
  EXPECT_THAT(parse_secret_key(data("locked.key"), no_password).error().message,
              HasSubstr("asked for a password"));
}

constexpr PasswordCost kCheap{32'768, uint64_t{1} << 24};

TEST(Minisign, a_password_hides_the_key) {
  const SecretKey key = SecretKey::generate();
  const std::string text = secret_key_text(key, "open sesame", kCheap).take();
  EXPECT_EQ(parse_secret_key(text, password("open sesame"))->key, key.key);
  const auto wrong = parse_secret_key(text, password("open sesam"));
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().message, "the password is wrong");
}

TEST(Minisign, a_damaged_secret_key_is_refused) {
  const std::string text = data("plain.key");
  for (size_t i = text.find('\n') + 1; i + 1 < text.size(); ++i) {
    std::string changed = text;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    const auto key = parse_secret_key(changed, no_password);
    if (!key.ok()) continue;
    EXPECT_EQ(key->key, plain_key().key) << i;  // its number, or what is not used
  }
  EXPECT_FALSE(parse_secret_key("", no_password).ok());
}

// --- Beside the tool itself, where it is installed (Debian's package minisign) ---

int run(const std::string& command) {
  const int status = std::system((command + " >/dev/null 2>&1").c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
class BesideMinisign : public TestWithFolder {
 protected:
  void SetUp() override {
    if (run("command -v minisign") != 0) GTEST_SKIP() << "minisign is not installed";
    write("file", "some bytes");
  }
  void write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(write_file_atomic(path(name), text).ok());
  }
};

TEST_F(BesideMinisign, it_takes_what_we_signed) {
  const SecretKey key = SecretKey::generate();
  const std::string file = "some bytes";
  write("ours.pub", public_key_text(key.public_key()));
  write("file.minisig", sign(view_of(file), key, "ours").take());
  const std::string verify = "minisign -V -H -p " + path("ours.pub") + " -m " + path("file");
  EXPECT_EQ(run(verify), 0);
  write("file", "other bytes");
  EXPECT_NE(run(verify), 0);
}

TEST_F(BesideMinisign, it_signs_with_our_keys) {
  const SecretKey key = SecretKey::generate();
  write("plain.key", secret_key_text(key, std::nullopt).take());
  write("locked.key", secret_key_text(key, "open sesame", kCheap).take());
  const std::string file = "some bytes";
  for (const std::string name : {"plain.key", "locked.key"}) {
    const std::string out = path(name + ".minisig");
    ASSERT_EQ(run("echo open sesame | minisign -S -s " + path(name) + " -m " + path("file") +
                  " -x " + out),
              0)
        << name;
    EXPECT_TRUE(check_signature(view_of(file), read_text_file(out).take(), key.public_key()).ok());
  }
}

}  // namespace
}  // namespace tessera

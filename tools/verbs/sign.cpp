// SPDX-License-Identifier: Apache-2.0
// tessera keygen, tessera sign: keys and signatures in minisign's file format, so that either tool
// checks what the other signed.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "support/descriptor.h"
#include "support/file.h"
#include "support/minisign.h"
#include "support/plain_text.h"
#include "tools/print/print.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace {

constexpr size_t kMostKey = size_t{1} << 16;
constexpr size_t kMostPassword = 1024;

// A terminal that does not show what is typed.
class Unseen {
 public:
  Unseen() : terminal_(::tcgetattr(STDIN_FILENO, &before_) == 0) {
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (terminal_) ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  ~Unseen() {
    if (!terminal_) return;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    print_error("\n");
  }
  Unseen(const Unseen&) = delete;

 private:
  termios before_{};
  bool terminal_;
};

// A line of stdin; from a terminal, it is asked for.
Expected<std::string> read_password(const char* question) {
  if (::isatty(STDIN_FILENO)) print_error("{}: ", question);
  const Unseen unseen;
  std::string line;
  std::getline(std::cin, line);
  if (line.empty() || line.size() > kMostPassword)
    return Error{fmt::format("password: must be a line of 1 to {} bytes on stdin", kMostPassword)};
  return line;
}

Expected<std::string> new_password() {
  std::string password = TRY(read_password("password for the new key"));
  if (::isatty(STDIN_FILENO) && TRY(read_password("once more")) != password)
    return Error{"password: the two must be the same"};
  return password;
}

// For its owner alone, and never over another: a key that is gone cannot be had again.
Status write_secret(const std::string& path, std::string_view text) {
  const auto failed = [&path](const char* doing) { return system_error(path, doing); };
  Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                         S_IRUSR | S_IWUSR));
  if (!file.is_open()) return failed("cannot create");
  const bool written =
      ::write(file.get(), text.data(), text.size()) == std::ssize(text) && ::fsync(file.get()) == 0;
  if (file.close() && written) return {};
  const Error error = failed("cannot write");
  ::unlink(path.c_str());
  return error;
}

Error name_them(const char* verb, const std::string& what) {
  return Error{fmt::format("{}: {}", verb, what), ErrorKind::Usage};
}

// --- keygen ---

po::options_description keygen_flags() {
  po::options_description flags("Keys");
  flags.add_options()("secret_key", po::value<std::string>()->default_value("tessera.key"),
                      "where the secret key goes, readable by its owner alone; keep it")(
      "public_key", po::value<std::string>()->default_value("tessera.pub"),
      "where the public key goes; give it to those who check your signatures")(
      "no_password", po::bool_switch(),
      "store the secret key as it is, for machines that sign alone; else a password is asked for, "
      "or read as a line of stdin")("json", po::bool_switch(), "print what was made as JSON");
  return flags;
}

Status keygen(const po::variables_map& flags) {
  const std::string secret = flags["secret_key"].as<std::string>();
  const std::string open = flags["public_key"].as<std::string>();
  for (const std::string& path : {secret, open})
    if (std::error_code ignored; std::filesystem::exists(path, ignored))
      return Error{path + ": is there already, must not be: a key is never replaced"};
  std::optional<std::string> password;
  if (!flags["no_password"].as<bool>()) password = TRY(new_password());
  const SecretKey key = SecretKey::generate();
  TRY(write_secret(secret, TRY(secret_key_text(key, password))));
  TRY(write_file_atomic(open, public_key_text(key.public_key())));
  if (flags["json"].as<bool>()) {
    print_json(
        nlohmann::ordered_json{
            {"schema",     "tessera-keygen/1"   },
            {"key",        to_string(key.number)},
            {"secret_key", secret               },
            {"public_key", open                 },
            {"password",   password.has_value() }
    },
        2);
    return {};
  }
  print("{}: secret key {}, {} a password\n{}: public key\n", secret, to_string(key.number),
        password ? "with" : "without", open);
  return {};
}

// --- sign ---

po::options_description sign_flags() {
  po::options_description flags("Signing");
  flags.add_options()("file", po::value<std::string>(), "what to sign: an executable, or any file")(
      "secret_key", po::value<std::string>(),
      "a key of 'tessera keygen' or of 'minisign -G'; its password, if it has one, is asked for, "
      "or "
      "read as a line of stdin")("output,o", po::value<std::string>()->default_value(""),
                                 "where the signature goes; FILE.minisig, where it is looked for")(
      "comment", po::value<std::string>(),
      "one line that is signed too and shown to those who check; the time and the file's name")(
      "json", po::bool_switch(), "print what was signed as JSON");
  return flags;
}

// As minisign's own.
std::string default_comment(const std::string& path) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::string name = std::filesystem::path(path).filename();
  return fmt::format("timestamp:{}\tfile:{}\thashed",
                     std::chrono::duration_cast<std::chrono::seconds>(now).count(),
                     is_plain_text(name) ? name : "?");
}

Expected<SecretKey> read_secret_key(const std::string& path) {
  const std::string text = TRY(read_text_file(path, kMostKey));
  Expected<SecretKey> key =
      parse_secret_key(text, [] { return read_password("password of the key"); });
  if (key.ok()) return key;
  return Error{path + ": " + key.error().message, key.error().kind};
}

Status sign_file(const po::variables_map& flags) {
  if (!flags.count("file")) return name_them("sign", "no file, must be one");
  if (!flags.count("secret_key"))
    return name_them("sign", "no key, must be --secret_key KEY ('tessera keygen' makes one)");
  const std::string path = flags["file"].as<std::string>();
  std::string output = flags["output"].as<std::string>();
  if (output.empty()) output = path + ".minisig";
  const std::shared_ptr<const MappedFile> file = TRY(MappedFile::open(path));
  const SecretKey key = TRY(read_secret_key(flags["secret_key"].as<std::string>()));
  const std::string comment =
      flags.count("comment") ? flags["comment"].as<std::string>() : default_comment(path);
  TRY(write_file_atomic(output, TRY(sign(file->bytes(), key, comment))));
  if (flags["json"].as<bool>()) {
    print_json(
        nlohmann::ordered_json{
            {"schema",    "tessera-sign/1"     },
            {"file",      path                 },
            {"signature", output               },
            {"key",       to_string(key.number)},
            {"comment",   comment              }
    },
        2);
    return {};
  }
  print("{}: signed by key {}\n", output, to_string(key.number));
  return {};
}

}  // namespace

Verb keygen_verb() {
  return {"make a pair of keys to sign executables with, as minisign's",
          "[--secret_key KEY] [--public_key PUB] [--no_password]",
          "tessera keygen --secret_key release.key --public_key release.pub",
          keygen_flags,
          nullptr,
          keygen};
}

Verb sign_verb() {
  return {"sign an executable, so that --require_signature takes it",
          "FILE --secret_key KEY [-o FILE.minisig]",
          "tessera sign bert.popef --secret_key release.key\n"
          "  tessera run bert.popef --inputs batch --require_signature release.pub",
          sign_flags,
          "file",
          sign_file};
}

}  // namespace tessera::tools

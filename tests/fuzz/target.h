// SPDX-License-Identifier: Apache-2.0
// A fuzz target: bytes that a stranger might hand to Tessera, what to do with them, and how to make
// others of their kind. Each file in targets/ defines `run` and `mutate`; entry.cpp joins them to
// libFuzzer, driver.cpp to an ordinary test that replays the corpus.
//
// `run` may find that the bytes are refused, and that is fine. It must not find these: a crash, a
// sanitizer's report, an answer that depends on how it was computed (`demand`).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "support/limits.h"
#include "tests/fuzz/random.h"

namespace tessera::fuzz {

// --- Each target defines these ---
void run(std::string_view input);
std::string mutate(std::string_view input, Random& random);  // one change or a few

// --- For targets ---

// A finding: says so and aborts, so that the input is kept.
void demand(bool holds, const std::string& what);

// Counts how far inputs come ("verified", "compared"); the driver prints it at the end, so that a
// target whose mutants are all refused at once is seen.
void note(const std::string& what);
std::string notes();  // "12 verified, 9 compared"

// The bytes as a file, for readers that take a path. One file per process and ending, rewritten by
// each call: the path is good until the next.
std::string file_of(std::string_view bytes, const std::string& ending);
// A folder of this process, removed at its end.
const std::string& folder();

// Budgets that keep one execution within a second.
Limits small_limits();

// FNV-1a: seeds of values that must not depend on where the input came from.
uint64_t digest_of(std::string_view bytes);

// libFuzzer's own mutation of bytes, or the driver's.
std::string mutate_bytes(std::string_view input, Random& random);

}  // namespace tessera::fuzz

// SPDX-License-Identifier: Apache-2.0
// The verifier's words for the small program with some changes.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "program/text.h"
#include "program/verify.h"
#include "tests/helpers/small_program.h"

namespace tessera {

inline Program small() { return parse_program(kSmallProgram).take(); }

inline std::string fault(const Program& program, const CheckComputeSet& check = {}) {
  const Status status = verify_program(program, check);
  if (status.ok()) return "";
  EXPECT_EQ(status.error().kind, ErrorKind::BadFile);
  return status.error().message;
}

// The fault of the small program with these changes: what to find, what to put there.
inline std::string fault(
    std::initializer_list<std::pair<std::string_view, std::string_view>> changes) {
  std::string text(kSmallProgram);
  for (const auto& [part, by] : changes) {
    const size_t at = text.find(part);
    EXPECT_NE(at, std::string::npos) << part;
    text.replace(at, part.size(), by);
  }
  const auto program = parse_program(text);
  EXPECT_TRUE(program.ok()) << program.error().message;
  return fault(*program);
}

}  // namespace tessera

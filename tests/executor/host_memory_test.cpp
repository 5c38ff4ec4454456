// SPDX-License-Identifier: Apache-2.0
#include "executor/host_memory.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace tessera {
namespace {

TEST(HostMemory, buffers_are_aligned_whatever_their_size) {
  for (int64_t bytes : {0, 1, 63, 4096, 5 << 20}) {
    auto buffer = HostBuffer::allocate(bytes);
    ASSERT_TRUE(buffer.ok());
    EXPECT_EQ(buffer->size(), bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % kHostAlignment, 0u);
  }
}

}  // namespace
}  // namespace tessera

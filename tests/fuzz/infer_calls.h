// SPDX-License-Identifier: Apache-2.0
// The properties of a call that a server has read, whichever protocol brought it.
#pragma once

#include <string_view>

#include "server/call.h"

namespace tessera::fuzz {

// A refusal says that it is of the request, in a few words, and is the caller's fault in HTTP.
void check_refusal(const Error& error);

// Within the limits on callers (docs/serving.md); a tensor's bytes may be of another number than
// its shape says, which its model looks at later.
void check_call(const server::InferCall& call);

// Words, numbers and tensors are the same, byte for byte.
bool same_call(const server::InferCall& a, const server::InferCall& b);

// An answer that gives back each input that is a sound tensor.
server::InferResult echo(const server::InferCall& call);

}  // namespace tessera::fuzz

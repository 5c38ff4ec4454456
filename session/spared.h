// SPDX-License-Identifier: Apache-2.0
// What a request is spared when a compile is not made, from the phases that its event tells. What
// takes its place is not a gift: an executable is loaded, an entry is written, padding is proved
// exact.
//
// Where a log cannot know a number, it stands as measured on a local disk: writing and reading an
// entry go over the same bytes as importing the model, and over the same Program as verifying it.
#pragma once

#include "session/events.h"

namespace tessera {

// To have the executable from the cache in place of this compile: to read the entry and load it.
// Of an event that did, as it was.
double seconds_of_load(const RecompileEvent& compile);
// To put this compile's executable into the cache, where that is not in its time already.
double seconds_of_write(const RecompileEvent& compile);
// That batches of this model may be padded, once a session: the model's import and the passes.
double seconds_of_proof(const RecompileEvent& compile);
// By asking again for what there was instead of this compile: for an executable that the session
// had, all that it took; for one that only the cache had, that less its load.
double spared_seconds(const RecompileEvent& compile);

}  // namespace tessera

// SPDX-License-Identifier: Apache-2.0
// The seconds that requests wait less when a compile is avoided, from the phases in its event. The
// replacement of a compile takes time too: an executable is loaded, an entry is written, or padding
// is proved exact.
//
// A log without a cache does not have the times of reading and writing an entry. They are estimated
// by measurements on a local disk: both go over the same bytes as importing the model, and over the
// same Program as verifying it.
#pragma once

#include "session/events.h"

namespace tessera {

// Reading the cache entry of this compile's executable and loading it. If the event is a load, the
// time that it took.
double seconds_of_load(const RecompileEvent& compile);
// Writing this compile's executable into the cache; 0 if the event already includes that.
double seconds_of_write(const RecompileEvent& compile);
// Seconds saved if the existing executable had been used instead: the whole compile if the session
// held it, the compile minus a load if only the cache did.
double saved_seconds(const RecompileEvent& compile);

}  // namespace tessera

// SPDX-License-Identifier: Apache-2.0
#include "support/guard.h"

#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

#include "support/check.h"

namespace tessera {

Error no_host_memory(std::string_view where) {
  return Error{std::string(where) +
                   ": this process cannot have the memory that this needs, must be allowed more "
                   "(ulimit -v, the container's limit) or given a smaller model or batch",
               ErrorKind::Failed, kNoHostMemory};
}

Error error_of_exception(std::string_view where) {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return no_host_memory(where);
  } catch (const std::length_error&) {  // of a container that would be larger than any memory
    return no_host_memory(where);
  } catch (const std::system_error& error) {
    return Error{std::string(where) + ": the system refuses: " + error.what()};
  } catch (const std::exception& error) {
    return Error{internal_error(std::string(where) + ": " + error.what())};
  } catch (...) {
    return Error{internal_error(std::string(where) + ": an exception of unknown type")};
  }
}

}  // namespace tessera

# With TESSERA_PRECOMPILE a build from nothing parses the headers of the standard library and of
# GoogleTest once, and not once a file. It is for continuous integration: a header that a file forgot
# to include goes unnoticed, and ccache shares nothing with another folder.
option(TESSERA_PRECOMPILE "Precompile the standard library's headers" OFF)
set(standard_headers
  <algorithm> <array> <atomic> <charconv> <chrono> <cmath> <condition_variable> <cstdint> <cstring>
  <deque> <filesystem> <fstream> <functional> <limits> <map> <memory> <mutex> <numeric> <optional>
  <random> <set> <span> <sstream> <string> <string_view> <thread> <unordered_map> <utility>
  <variant> <vector>)

# tessera_precompile(target): what a library and an executable precompile differs, as their code is
# position-independent in different ways.
function(tessera_precompile target)
  if(NOT TESSERA_PRECOMPILE)
    return()
  endif()
  get_target_property(type ${target} TYPE)
  set(owner tessera_precompiled_${type})
  if(NOT TARGET ${owner})
    set(source ${PROJECT_BINARY_DIR}/${owner}.cpp)
    file(WRITE ${source} "int main() {}\n")
    if(type STREQUAL EXECUTABLE)
      add_executable(${owner} EXCLUDE_FROM_ALL ${source})
      target_link_libraries(${owner} PRIVATE GTest::gmock)
      target_precompile_headers(${owner} PRIVATE
        ${standard_headers} <gmock/gmock.h> <gtest/gtest.h>)
    else()
      add_library(${owner} STATIC EXCLUDE_FROM_ALL ${source})
      target_precompile_headers(${owner} PRIVATE ${standard_headers})
    endif()
  endif()
  target_precompile_headers(${target} REUSE_FROM ${owner})
endfunction()

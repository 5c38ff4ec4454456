# Writes a header with the compiler's version and a digest of the sources that decide what it makes,
# so that executables that an older build left in a cache are not taken for this one's.
# cmake -DVERSION=… -DROOT=… -DSOURCES=a,b -DOUTPUT=… -P compiler_id.cmake
string(REPLACE "," ";" sources "${SOURCES}")
set(all "")
foreach(source IN LISTS sources)
  file(SHA256 "${ROOT}/${source}" digest)
  string(APPEND all "${source} ${digest}\n")
endforeach()
string(SHA256 digest "${all}")
string(SUBSTRING "${digest}" 0 16 short)
file(WRITE "${OUTPUT}" "// Made by cmake/compiler_id.cmake.\n#pragma once\n"
  "inline constexpr char kCompilerId[] = \"${VERSION}+${short}\";\n")

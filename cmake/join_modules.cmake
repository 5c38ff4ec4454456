# Joins ES modules with D3 into one script. Each module becomes a function that returns what it
# exports; so names that it does not export are its own, those that it exports are known to all
# after it, and a module must come after those that it imports. An export is `export const NAME`,
# `export function NAME` or `export class NAME` at the start of a line.
# cmake -DD3=… -DMODULES=a,b -DOUTPUT=… -P join_modules.cmake
string(REPLACE "," ";" modules "${MODULES}")
list(GET modules 0 first)
get_filename_component(folder "${first}" DIRECTORY)
file(READ "${folder}/d3.licence" licence)
file(READ "${D3}" d3)
set(all "")
foreach(module IN LISTS modules)
  file(READ "${module}" text)
  string(REGEX MATCHALL "\nexport (const|function|class) [A-Za-z]+" exports "${text}")
  list(TRANSFORM exports REPLACE "\nexport [a-z]+ " "")
  list(JOIN exports ", " names)
  string(REGEX REPLACE "(^|\n)import [^;]*;" "\\1" text "${text}")
  string(REGEX REPLACE "(^|\n)export " "\\1" text "${text}")
  string(APPEND all "const { ${names} } = (() => {\n${text}return { ${names} };\n})();\n")
endforeach()
# A script would end at this, wherever it stands.
string(TOLOWER "${d3}${all}" lower)
if(lower MATCHES "</script")
  message(FATAL_ERROR "a module has the end of a script tag, must not")
endif()
file(WRITE "${OUTPUT}" "/*\n${licence}*/\n${d3}\n(() => {\n'use strict';\n${all}})();\n")

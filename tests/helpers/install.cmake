# Into an empty prefix, so that nothing of an earlier build is tested.
# cmake -DBUILD=… -DPREFIX=… -DCOMPONENTS=a,b -P install.cmake
string(REPLACE "," ";" components "${COMPONENTS}")
file(REMOVE_RECURSE ${PREFIX})
foreach(component ${components})
  execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${PREFIX}
    --component ${component} COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
endforeach()

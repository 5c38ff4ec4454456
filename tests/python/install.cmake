# Into an empty prefix, so that nothing of an earlier build is tested.
file(REMOVE_RECURSE ${PREFIX})
foreach(component python tools)
  execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${PREFIX}
    --component ${component} COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
endforeach()

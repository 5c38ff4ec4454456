# A library user gets the public headers below include/tessera with <tessera/tessera.h> over them,
# one archive a layer, a package that find_package(Tessera) finds, and a file for pkg-config. Link
# Tessera::Tessera. Every other header is private.
include(CMakePackageConfigHelpers)
include(cmake/public_headers.cmake)

add_library(tessera_public INTERFACE)
add_library(Tessera::Tessera ALIAS tessera_public)
set_target_properties(tessera_public PROPERTIES EXPORT_NAME Tessera)
target_link_libraries(tessera_public INTERFACE tessera_session tessera_serving)
target_sources(tessera_public INTERFACE FILE_SET HEADERS
  BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${TESSERA_PUBLIC_HEADERS})

get_property(libraries GLOBAL PROPERTY TESSERA_LIBRARIES)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/Tessera)
install(TARGETS ${libraries} tessera_public EXPORT TesseraTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tessera COMPONENT library)
install(EXPORT TesseraTargets NAMESPACE Tessera:: DESTINATION ${package} COMPONENT library)
configure_package_config_file(cmake/TesseraConfig.cmake.in ${PROJECT_BINARY_DIR}/TesseraConfig.cmake
  INSTALL_DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/TesseraConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES cmake/FindSodium.cmake ${PROJECT_BINARY_DIR}/TesseraConfig.cmake
  ${PROJECT_BINARY_DIR}/TesseraConfigVersion.cmake DESTINATION ${package} COMPONENT library)

list(TRANSFORM libraries PREPEND -l OUTPUT_VARIABLE archives)
list(JOIN archives " " TESSERA_PC_LIBS)
get_target_property(llvm LLVM LOCATION)
set(TESSERA_PC_LLVM ${llvm})
# Debian's folder of libraries is two levels below the prefix.
file(RELATIVE_PATH TESSERA_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" TESSERA_PC_UP ${TESSERA_PC_UP})
configure_file(cmake/tessera.pc.in ${PROJECT_BINARY_DIR}/tessera.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/tessera.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
  COMPONENT library)

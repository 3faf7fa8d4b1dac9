# The shared library with its public symbols only, its headers, pkg-config file and CMake package, and the command.
include(CMakePackageConfigHelpers)
set(objects "")
foreach(layer IN LISTS ANNULUS_LAYER_TARGETS)
  list(APPEND objects $<TARGET_OBJECTS:${layer}>)
endforeach()
add_library(annulus SHARED ${objects})
set_target_properties(annulus PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} LINKER_LANGUAGE C)
target_link_libraries(annulus PRIVATE annulus_deploy) # for the libraries that the layers use
target_include_directories(annulus INTERFACE $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

# Relative, so that cmake --install --prefix may put it anywhere.
file(RELATIVE_PATH ANNULUS_PC_TO_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/annulus.pc.in ${CMAKE_BINARY_DIR}/annulus.pc @ONLY)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/annulusConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(TARGETS annulus EXPORT annulusTargets)
install(TARGETS annulus-cli)
install(DIRECTORY include/annulus DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT annulusTargets NAMESPACE annulus:: FILE annulusConfig.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/annulus)
install(FILES ${CMAKE_BINARY_DIR}/annulusConfigVersion.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/annulus)
install(FILES ${CMAKE_BINARY_DIR}/annulus.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(ANNULUS_TESTS)
  add_test(NAME symbols COMMAND ${CMAKE_SOURCE_DIR}/tests/check_symbols $<TARGET_FILE:annulus>)
  add_test(NAME readme COMMAND ${SYSTEM_PYTHON} ${CMAKE_SOURCE_DIR}/tests/check_commands ${CMAKE_SOURCE_DIR}
    $<TARGET_FILE_DIR:annulus-cli>)
  # minutes under sanitizers: calibrate and audits; what they call is sanitized in the other tests
  set_tests_properties(readme PROPERTIES LABELS long)
  if(NOT ANNULUS_SANITIZE)
    add_test(NAME install COMMAND ${CMAKE_SOURCE_DIR}/tests/check_install ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR}
      ${CMAKE_C_COMPILER})
  endif()
endif()

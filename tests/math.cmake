annulus_test(fft math)
annulus_test(matrix math)
if(NOT ANNULUS_SANITIZE) # it builds its own program, the same for every compiler here
  add_test(NAME neon COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/check_neon ${CMAKE_SOURCE_DIR})
  set_tests_properties(neon PROPERTIES SKIP_RETURN_CODE 77)
endif()

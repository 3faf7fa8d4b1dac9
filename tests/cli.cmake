add_test(NAME cli COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/cli/run $<TARGET_FILE:annulus-cli>)

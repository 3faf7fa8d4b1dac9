add_test(NAME cli COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/cli/run $<TARGET_FILE:annulus-cli>)
add_test(NAME cli_costs COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/cli/costs $<TARGET_FILE:annulus-cli>)
add_test(NAME cli_signals COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/cli/signals $<TARGET_FILE:annulus-cli>)
add_test(NAME cli_networks COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/cli/networks $<TARGET_FILE:annulus-cli>)
add_test(NAME cli_training COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/cli/training $<TARGET_FILE:annulus-cli>)
set_tests_properties(cli cli_training PROPERTIES COST 100) # the longest: first, beside the others
annulus_test(eta base)
target_sources(test_eta PRIVATE ${CMAKE_SOURCE_DIR}/src/cli/cli_eta.c)

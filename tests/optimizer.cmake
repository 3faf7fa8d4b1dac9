annulus_test(security optimizer)
annulus_test(noise optimizer)
annulus_test(grouped optimizer)
annulus_test(extension optimizer)
annulus_test(optimizer optimizer)
annulus_test(calibrate optimizer)
annulus_test(published optimizer)
target_compile_definitions(test_published PRIVATE PUBLISHED_CSV="${CMAKE_CURRENT_SOURCE_DIR}/data/published_parameters.csv")
annulus_test(published_sets optimizer)
target_compile_definitions(test_published_sets PRIVATE PUBLISHED_CSV="${CMAKE_CURRENT_SOURCE_DIR}/data/published_parameters.csv"
  PUBLISHED_COSTS="${CMAKE_CURRENT_SOURCE_DIR}/data/published_costs.csv")
# Minutes where Sage is installed and ANNULUS_LATTICE_ESTIMATOR names a checkout of the estimator; else skipped.
add_test(NAME security-estimate COMMAND ${CMAKE_SOURCE_DIR}/script/check-security)
set_tests_properties(security-estimate PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 7200)

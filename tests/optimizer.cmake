annulus_test(security optimizer)
annulus_test(noise optimizer)
annulus_test(extension optimizer)
annulus_test(optimizer optimizer)
annulus_test(published optimizer)
target_compile_definitions(test_published PRIVATE PUBLISHED_CSV="${CMAKE_CURRENT_SOURCE_DIR}/data/published_parameters.csv")
annulus_test(published_sets optimizer)
target_compile_definitions(test_published_sets PRIVATE PUBLISHED_CSV="${CMAKE_CURRENT_SOURCE_DIR}/data/published_parameters.csv"
  PUBLISHED_COSTS="${CMAKE_CURRENT_SOURCE_DIR}/data/published_costs.csv")

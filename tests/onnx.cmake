foreach(name onnx_model onnx_fold onnx_scale onnx_passes) # over the messages of the format
  annulus_test(${name} onnx)
  target_include_directories(test_${name} SYSTEM PRIVATE ${CMAKE_BINARY_DIR}/src/onnx/generated)
  add_dependencies(test_${name} annulus_onnx_proto)
endforeach()
add_test(NAME onnx-checker COMMAND ${SYSTEM_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/check_onnx $<TARGET_FILE:test_onnx_model>)
add_executable(onnx_apply onnx_apply.c)
target_link_libraries(onnx_apply PRIVATE annulus_onnx)
add_test(NAME onnx-tensors COMMAND ${SYSTEM_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/check_tensors $<TARGET_FILE:onnx_apply>
  $<TARGET_FILE:annulus-cli>)

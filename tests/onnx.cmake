annulus_test(onnx_model onnx)
add_test(NAME onnx-checker COMMAND ${SYSTEM_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/check_onnx $<TARGET_FILE:test_onnx_model>)

# sluice_room(NAME storage DEPS base LIBS PkgConfig::uring ...): one library per folder, made of every .cc in it but
# main files and tests (a folder below is a room of its own); and one test program of every *_test.cc, registered test by test with label `unit`.
#   DEPS  rooms whose headers this one may include (checked by tests/floors_test.py)
#   TEST_DEPS rooms that only its tests include: testing/ rooms
#   LIBS  third-party libraries
#   MAINS programs: each NAME is built from NAME_main.cc into build/bin/NAME
#
# Target unit_tests builds every room's test program; threaded_tests those that ThreadSanitizer is worth its time for, by room:
# SLUICE_THREADED_ROOMS. Their tests carry the label unit_threads, which `ctest -L unit` matches too.
add_custom_target(unit_tests)
add_custom_target(threaded_tests)
set(SLUICE_THREADED_ROOMS "^(host|storage|net|pump|drainer)(/|$)")
set(SLUICE_PURE_ROOMS "^drainer/(change|schema|ddl|translator|sinks/file)(/|$)")

function(sluice_room)
  cmake_parse_arguments(R "" "NAME" "DEPS;TEST_DEPS;LIBS;MAINS" ${ARGN})
  file(GLOB _all CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(_tests ${_all})
  list(FILTER _tests INCLUDE REGEX "_test\\.cc$")
  set(_lib ${_all})
  list(FILTER _lib EXCLUDE REGEX "_(test|main)\\.cc$")
  set(_deps ${R_DEPS})
  list(TRANSFORM _deps PREPEND sluice_)
  set(_test_deps ${R_TEST_DEPS})
  list(TRANSFORM _test_deps PREPEND sluice_)

  if(_lib)
    add_library(sluice_${R_NAME} STATIC ${_lib})
    target_include_directories(sluice_${R_NAME} PUBLIC ${CMAKE_SOURCE_DIR})
    target_link_libraries(sluice_${R_NAME} PUBLIC ${_deps} ${R_LIBS} PRIVATE sluice_warnings)
  else()
    add_library(sluice_${R_NAME} INTERFACE)
    target_include_directories(sluice_${R_NAME} INTERFACE ${CMAKE_SOURCE_DIR})
    target_link_libraries(sluice_${R_NAME} INTERFACE ${_deps} ${R_LIBS})
  endif()

  foreach(_main ${R_MAINS})
    add_executable(${_main} ${_main}_main.cc)
    target_link_libraries(${_main} PRIVATE sluice_${R_NAME} sluice_warnings)
  endforeach()

  if(_tests)
    add_executable(${R_NAME}_test ${_tests})
    target_link_libraries(${R_NAME}_test PRIVATE sluice_${R_NAME} ${_test_deps} sluice_warnings GTest::gtest GTest::gmock GTest::gtest_main)
    # Only where it is named: a path of this tree in every command would keep clones from sharing a compiler cache.
    foreach(_test ${_tests})
      file(STRINGS ${_test} _named REGEX "SLUICE_(SOURCE|BIN)_DIR" LIMIT_COUNT 1)
      if(_named)
        set_source_files_properties(${_test} PROPERTIES COMPILE_DEFINITIONS
          "SLUICE_SOURCE_DIR=\"${CMAKE_SOURCE_DIR}\";SLUICE_BIN_DIR=\"${CMAKE_RUNTIME_OUTPUT_DIRECTORY}\"")
      endif()
    endforeach()
    include(GoogleTest)
    set(_label unit)
    add_dependencies(unit_tests ${R_NAME}_test)
    file(RELATIVE_PATH _room ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
    if(_room MATCHES "${SLUICE_THREADED_ROOMS}" AND NOT _room MATCHES "${SLUICE_PURE_ROOMS}")
      add_dependencies(threaded_tests ${R_NAME}_test)
      set(_label unit_threads)  # one label: gtest_discover_tests takes a list of them apart
    endif()
    gtest_discover_tests(${R_NAME}_test PROPERTIES LABELS ${_label} TIMEOUT 120 DISCOVERY_TIMEOUT 60)
  endif()
endfunction()

# sluice_proto(NAME tidb_proto FILES binlog.proto pump.proto): generated protobuf code as the SYSTEM library sluice_NAME;
# include as "<folder of the .proto>/<file>.pb.h".
function(sluice_proto)
  cmake_parse_arguments(P "" "NAME" "FILES" ${ARGN})
  set(_out ${CMAKE_BINARY_DIR}/generated)
  file(RELATIVE_PATH _folder ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  foreach(_file ${P_FILES})
    get_filename_component(_stem ${_file} NAME_WE)
    set(_base ${_out}/${_folder}/${_stem}.pb)
    add_custom_command(
      OUTPUT ${_base}.cc ${_base}.h
      COMMAND ${CMAKE_COMMAND} -E make_directory ${_out}
      COMMAND protobuf::protoc --proto_path=${CMAKE_SOURCE_DIR} --cpp_out=${_out} ${_folder}/${_file}
      WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} DEPENDS ${_file} VERBATIM)
    list(APPEND _sources ${_base}.cc)
  endforeach()
  add_library(sluice_${P_NAME} STATIC ${_sources})
  target_include_directories(sluice_${P_NAME} SYSTEM PUBLIC ${_out})
  target_link_libraries(sluice_${P_NAME} PUBLIC protobuf::libprotobuf)
endfunction()

# sluice_flatbuffers(NAME net_messages FILES messages.fbs): generated headers as the SYSTEM interface library sluice_NAME;
# include as "<folder of the .fbs>/<file>_generated.h".
function(sluice_flatbuffers)
  cmake_parse_arguments(F "" "NAME" "FILES" ${ARGN})
  set(_out ${CMAKE_BINARY_DIR}/generated)
  file(RELATIVE_PATH _folder ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
  foreach(_file ${F_FILES})
    get_filename_component(_stem ${_file} NAME_WE)
    set(_header ${_out}/${_folder}/${_stem}_generated.h)
    add_custom_command(OUTPUT ${_header}
      COMMAND ${FLATC} --cpp --scoped-enums --gen-object-api -o ${_out}/${_folder} ${CMAKE_CURRENT_SOURCE_DIR}/${_file}
      DEPENDS ${_file} VERBATIM)
    list(APPEND _headers ${_header})
  endforeach()
  add_custom_target(sluice_${F_NAME}_generate DEPENDS ${_headers})
  add_library(sluice_${F_NAME} INTERFACE)
  target_include_directories(sluice_${F_NAME} SYSTEM INTERFACE ${_out})
  add_dependencies(sluice_${F_NAME} sluice_${F_NAME}_generate)
endfunction()

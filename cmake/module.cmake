# canopy_module(<folder> [DEPS <module>...] [USES <library target>...])
#
# One folder, one library, one idea. Its *.cc files are the library; its *_test.cc files are its test
# program; each *_fuzz.cc is a fuzz target. DEPS are our own modules, declared above, so the arrows cannot
# form a cycle and src/CMakeLists.txt reads from the ground up. USES are other people's libraries.
# tools/layers.py checks that #include lines follow these arrows and no others.

add_library(canopy_flags INTERFACE)
target_compile_options(canopy_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wthread-safety
  $<$<BOOL:${CANOPY_WERROR}>:-Werror>)
target_link_options(canopy_flags INTERFACE -fuse-ld=lld-19)
if(CANOPY_SANITIZE)
  # Undefined behaviour ends the program, or a test would pass beside its report. -O1: three times as fast as -O0.
  target_compile_options(canopy_flags INTERFACE -fsanitize=${CANOPY_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer -O1)
  target_link_options(canopy_flags INTERFACE -fsanitize=${CANOPY_SANITIZE})
endif()
if(CANOPY_SANITIZE STREQUAL "thread")  # ThreadSanitizer does not know fences; Asio can do without.
  target_compile_definitions(canopy_flags INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
endif()

if(CANOPY_FUZZ)  # The fuzzer steers by what it reaches inside our libraries, not just in the target's own file.
  target_compile_options(canopy_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# One fuzz target: libFuzzer in the fuzz preset; elsewhere a program that replays tests/corpus/<name>.
function(canopy_fuzz module source)
  get_filename_component(name ${source} NAME_WE)
  if(CANOPY_FUZZ)
    add_executable(${name} ${source})
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name} ${source} ${PROJECT_SOURCE_DIR}/cmake/replay_fuzz.cc)
    add_test(NAME ${name} COMMAND ${name} ${PROJECT_SOURCE_DIR}/tests/corpus/${name})
    set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 300)
  endif()
  target_link_libraries(${name} PRIVATE canopy_${module})
endfunction()

function(canopy_module name)
  cmake_parse_arguments(ARG "" "" "DEPS;USES" ${ARGN})
  if(ARG_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "canopy_module(${name}): what is '${ARG_UNPARSED_ARGUMENTS}'?")
  endif()

  set(libraries canopy_flags ${ARG_USES})
  foreach(dep IN LISTS ARG_DEPS)
    if(NOT TARGET canopy_${dep})
      message(FATAL_ERROR "canopy_module(${name}): declare '${dep}' above it")
    endif()
    list(APPEND libraries canopy_${dep})
  endforeach()

  set(dir ${CMAKE_CURRENT_SOURCE_DIR}/${name})
  file(GLOB headers CONFIGURE_DEPENDS ${dir}/*.h)
  file(GLOB sources CONFIGURE_DEPENDS ${dir}/*.cc)
  file(GLOB tests CONFIGURE_DEPENDS ${dir}/*_test.cc)
  file(GLOB fuzzers CONFIGURE_DEPENDS ${dir}/*_fuzz.cc)
  if(tests OR fuzzers)
    list(REMOVE_ITEM sources ${tests} ${fuzzers})
  endif()

  if(sources)
    add_library(canopy_${name} STATIC ${sources})
    set(scope PUBLIC)
  else()
    add_library(canopy_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  # A header set lets CMake compile every header on its own: target all_verify_interface_header_sets.
  target_sources(canopy_${name} ${scope} FILE_SET HEADERS BASE_DIRS ${CMAKE_CURRENT_SOURCE_DIR} FILES ${headers})
  target_link_libraries(canopy_${name} ${scope} ${libraries})

  if(tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE canopy_${name} GTest::gtest_main)
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 600)
  endif()
  foreach(source IN LISTS fuzzers)
    canopy_fuzz(${name} ${source})
  endforeach()
endfunction()

# The WebAssembly engine and the libraries for guests, which tools/deps builds and caches.
#   wasmtime::wasmtime   the engine: wasmtime.h and canopy_engine.h, in one static library
#   CANOPY_ENGINE        its folder; -DCANOPY_ENGINE=<folder> names another
#   CANOPY_SYSROOT       what functions in C and C++ are compiled against; see tools/sysroot
#   CANOPY_QUICKJS       the C sources of the JavaScript engine; see cmake/javascript.cmake

find_package(Threads REQUIRED)

block()
  execute_process(COMMAND ${CMAKE_CURRENT_LIST_DIR}/../tools/deps --print OUTPUT_VARIABLE paths
                  COMMAND_ERROR_IS_FATAL ANY)
  foreach(name ENGINE SYSROOT QUICKJS)
    string(REGEX MATCH "${name}=([^\n]*)" found "${paths}")
    set(CANOPY_${name} "${CMAKE_MATCH_1}" CACHE PATH "Made by tools/deps")
  endforeach()

  set(library ${CANOPY_ENGINE}/lib/libcanopy_engine.a)
  if(NOT EXISTS ${library})
    message(FATAL_ERROR "There is no WebAssembly engine at ${library}; run `make deps`, then configure again")
  endif()

  add_library(wasmtime::wasmtime STATIC IMPORTED GLOBAL)
  set_target_properties(wasmtime::wasmtime PROPERTIES IMPORTED_LOCATION ${library})
  target_include_directories(wasmtime::wasmtime SYSTEM INTERFACE ${CANOPY_ENGINE}/include)
  target_link_libraries(wasmtime::wasmtime INTERFACE Threads::Threads ${CMAKE_DL_LIBS} m)
endblock()

# The JavaScript engine as a WebAssembly module: QuickJS-ng and src/js/engine, compiled for guests.
#   CANOPY_JS_INTERPRETER   the module, which src/js/interpreter.cc puts into the program
# The engine's own files are compiled once; a change of the guest costs a second.

block(PROPAGATE CANOPY_JS_INTERPRETER)
  set(guest ${PROJECT_SOURCE_DIR}/src/js/engine)
  set(out ${CMAKE_BINARY_DIR}/javascript)
  file(MAKE_DIRECTORY ${out})
  if(NOT EXISTS ${CANOPY_QUICKJS}/quickjs.c)
    message(FATAL_ERROR "There are no sources of QuickJS at ${CANOPY_QUICKJS}; run `make deps`, then configure again")
  endif()

  find_program(CANOPY_GUEST_CC clang-22 REQUIRED)
  set(compile ${CMAKE_CXX_COMPILER_LAUNCHER} ${CANOPY_GUEST_CC} --target=wasm32-wasip1 --sysroot=${CANOPY_SYSROOT}
    --no-wasm-opt -Qunused-arguments -O2 -DNDEBUG)
  file(GLOB headers CONFIGURE_DEPENDS ${guest}/*.h)
  file(GLOB preludes CONFIGURE_DEPENDS ${guest}/prelude/*.js)
  file(GLOB sources CONFIGURE_DEPENDS ${guest}/*.c)
  set(objects "")
  # __SANITIZE_ADDRESS__ does one thing in these sources: blocks come from the functions given to JS_NewRuntime2()
  # (src/js/engine/memory.c), not from pools of a page for each size.
  foreach(name quickjs libregexp libunicode dtoa)
    add_custom_command(OUTPUT ${out}/${name}.o DEPENDS ${CANOPY_QUICKJS}/${name}.c
      COMMAND ${compile} -w -D_GNU_SOURCE -D__SANITIZE_ADDRESS__ -c ${CANOPY_QUICKJS}/${name}.c -o ${out}/${name}.o)
    list(APPEND objects ${out}/${name}.o)
  endforeach()
  foreach(source IN LISTS sources)
    get_filename_component(name ${source} NAME_WE)
    set(needs ${source} ${headers})
    if(name STREQUAL "prelude")
      list(APPEND needs ${preludes})
    endif()
    add_custom_command(OUTPUT ${out}/guest-${name}.o DEPENDS ${needs}
      COMMAND ${CANOPY_GUEST_CC} --target=wasm32-wasip1 --sysroot=${CANOPY_SYSROOT} -O2 -DNDEBUG -std=c23
        -Wall -Wextra -Werror -isystem ${CANOPY_QUICKJS} -c ${source} -o ${out}/guest-${name}.o)
    list(APPEND objects ${out}/guest-${name}.o)
  endforeach()

  # The stack lies below all data, so that an overflow traps; libc.c stands in for what the C library has.
  set(CANOPY_JS_INTERPRETER ${out}/js.wasm)
  add_custom_command(OUTPUT ${CANOPY_JS_INTERPRETER} DEPENDS ${objects}
    COMMAND ${CANOPY_GUEST_CC} --target=wasm32-wasip1 --sysroot=${CANOPY_SYSROOT} --no-wasm-opt -O2 -nostartfiles
      -Wl,--no-entry,--export-memory,-z,muldefs,-z,stack-size=262144,--stack-first,--strip-debug ${objects}
      -o ${CANOPY_JS_INTERPRETER})
endblock()

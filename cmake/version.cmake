execute_process(COMMAND git -C ${SOURCE_DIR} describe --tags --always --dirty
  OUTPUT_VARIABLE version OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT version)
  set(version "unknown")
endif()
file(CONFIGURE OUTPUT ${OUT} CONTENT "#pragma once\n#define CANOPY_VERSION \"${version}\"\n")

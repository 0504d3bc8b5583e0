# cmake -DSDK=<folder> -DOUT=<file.cc> -P embed.cmake: the files below c/ and templates/ of SDK, as arrays.
# src/cli/embedded.h says what for.

file(GLOB_RECURSE paths RELATIVE ${SDK} ${SDK}/c/* ${SDK}/templates/*)
list(SORT paths)
set(arrays "")
set(rows "")
set(number 0)
foreach(path IN LISTS paths)
  file(READ ${SDK}/${path} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
  string(APPEND arrays "constexpr char file_${number}[] = {${bytes}'\\0'};\n")
  string(APPEND rows "    EmbeddedFile{\"${path}\", {file_${number}, sizeof(file_${number}) - 1}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(CONFIGURE OUTPUT ${OUT} @ONLY CONTENT [[
#include "cli/embedded.h"

#include <array>

namespace canopy::cli {
namespace {

@arrays@
constexpr std::array files = {
@rows@};

}  // namespace

std::span<const EmbeddedFile> embedded_files() { return files; }

}  // namespace canopy::cli
]])

// What a file that is no WebAssembly seems to be, by its first bytes.

#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "wire/wasm_inspect.h"

namespace canopy::wire {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::string_view bytes;
  std::string_view what;
};

constexpr std::array<Signature, 20> signatures = {{
    {"\x7F"
     "ELF"sv,
     "an ELF file, made for a processor; compile for WebAssembly, such as with --target=wasm32-wasip1"sv},
    {"MZ"sv, "a Windows program; compile for WebAssembly, such as with --target=wasm32-wasip1"sv},
    {"\xCF\xFA\xED\xFE"sv, "a macOS program; compile for WebAssembly, such as with --target=wasm32-wasip1"sv},
    {"\xCA\xFE\xBA\xBE"sv, "a Java class or a macOS program; compile for WebAssembly"sv},
    {"!<arch>"sv, "a library archive (.a); link it into a module"sv},
    {"BC\xC0\xDE"sv, "LLVM bitcode; link it into a module with wasm-ld"sv},
    {"\x1F\x8B"sv, "gzip data; unpack it first"sv},
    {"PK\x03\x04"sv, "a zip archive; unpack it first"sv},
    {"\x28\xB5\x2F\xFD"sv, "zstd data; unpack it first"sv},
    {"\xFD"
     "7zXZ"sv,
     "xz data; unpack it first"sv},
    {"BZh"sv, "bzip2 data; unpack it first"sv},
    {"%PDF"sv, "a PDF document"sv},
    {"\x89PNG"sv, "a picture"sv},
    {"\xFF\xD8\xFF"sv, "a picture"sv},
    {"#!"sv, "a script"sv},
    {"<!DOCTYPE"sv, "a web page; was the download an error page?"sv},
    {"<html"sv, "a web page; was the download an error page?"sv},
    {"version https://git-lfs"sv, "a pointer of Git LFS; fetch the file itself with `git lfs pull`"sv},
    {"(module"sv, "WebAssembly text; translate it with wat2wasm"sv},
    {"(component"sv, "the text of a WebAssembly component; Canopy runs core modules"sv},
}};

std::string_view skip_space(std::string_view text) {
  const std::size_t at = text.find_first_not_of(" \t\r\n");
  return at == std::string_view::npos ? std::string_view() : text.substr(at);
}

// WebAssembly text may begin with comments.
std::string_view skip_wat_comments(std::string_view text) {
  text = skip_space(text);
  while (text.starts_with(";;")) {
    const std::size_t end = text.find('\n');
    text = end == std::string_view::npos ? std::string_view() : skip_space(text.substr(end));
  }
  return text;
}

bool looks_like_text(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const Utf8Step step = utf8_step(bytes.substr(at));
    // A character cut off by the end of the sample is still text.
    if (!step.valid && at + step.size < bytes.size()) return false;
    const auto byte = static_cast<unsigned char>(bytes[at]);
    if (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r' && byte != '\f' && byte != 0x1B)
      return false;
    at += step.size;
  }
  return true;
}

}  // namespace

std::string_view describe_foreign(std::string_view bytes) {
  if (bytes.empty()) return "an empty file";
  const std::string_view sample = bytes.substr(0, 4096);
  const std::array<std::string_view, 2> openings = {sample, skip_wat_comments(sample)};
  for (const Signature& signature : signatures) {
    for (const std::string_view opening : openings) {
      if (opening.starts_with(signature.bytes)) return signature.what;
    }
  }
  if (std::ranges::all_of(sample, [](char c) { return c == '\0'; })) return "nothing but zero bytes";
  if (looks_like_text(sample))
    return "text; source code is deployed with its own content type, or built first";
  return "data of a kind unknown to Canopy";
}

}  // namespace canopy::wire

// Images of one static program: no registry, no Docker, nothing else inside.

#include <array>
#include <cstring>
#include <optional>

#include <elf.h>

#include "cli/compilers.h"
#include "cli/files.h"
#include "wire/image.h"

namespace canopy::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t image_bytes_max = GiB;

#if defined(__aarch64__)
constexpr auto own_machine = EM_AARCH64;
#else
constexpr auto own_machine = EM_X86_64;
#endif

template <class Header>
std::optional<Header> header_at(std::string_view bytes, std::uint64_t at) {
  Header header;
  if (at > bytes.size() || bytes.size() - at < sizeof header) return std::nullopt;
  std::memcpy(&header, bytes.data() + at, sizeof header);
  return header;
}

// Whether it runs with nothing else in its file system.
Result<void> check_program(std::string_view bytes, const fs::path& path) {
  const auto head = header_at<Elf64_Ehdr>(bytes, 0);
  const bool is_program = head && bytes.starts_with(ELFMAG) && head->e_ident[EI_CLASS] == ELFCLASS64 &&
                          (head->e_type == ET_EXEC || head->e_type == ET_DYN);
  if (!is_program || head->e_machine != own_machine) {
    return fail(Code::refused, path.string() + " is no program for linux/" +
                                   std::string(wire::image_architecture()) +
                                   "; name one, a folder with Go or C, or an image (.tar)");
  }
  for (std::uint64_t i = 0; i < head->e_phnum; ++i) {
    const auto part = header_at<Elf64_Phdr>(bytes, head->e_phoff + i * sizeof(Elf64_Phdr));
    if (!part || part->p_type != PT_INTERP) continue;
    return fail(Code::refused,
                path.string() +
                    " needs libraries at run time, and the image would have none; link it with "
                    "-static (Go: CGO_ENABLED=0)");
  }
  return {};
}

Result<fs::path> compile_native_go(const CompileStep& step, const Builder& builder) {
  if (!find_program("go", builder.environment)) {
    return fail(Code::unavailable,
                "this needs the Go compiler; install it from https://go.dev/dl, with go in PATH");
  }
  std::error_code error;
  const bool is_folder = fs::is_directory(step.source, error);
  fs::path program = step.work / "program";
  const ProcessRequest request{
      .arguments = {"go", "build", "-trimpath", "-ldflags=-s -w", "-o", program.string(),
                    is_folder ? "." : step.source.filename().string()},
      .folder = is_folder ? step.source : step.source.parent_path(),
      .variables = {"GOOS=linux", "GOARCH=" + std::string(wire::image_architecture()), "CGO_ENABLED=0"}};
  CANOPY_TRY_VOID(run_compiler(request, step.source.filename().string(), builder));
  return program;
}

Result<fs::path> compile_native_c(const CompileStep& step, const Builder& builder) {
  const char* compiler = nullptr;
  for (const char* const name : {"cc", "gcc", "clang"}) {
    if (compiler == nullptr && find_program(name, builder.environment)) compiler = name;
  }
  if (compiler == nullptr) {
    return fail(Code::unavailable, "this needs a C compiler: apt-get install gcc libc6-dev");
  }
  std::error_code error;
  std::vector<fs::path> sources = {step.source};
  if (fs::is_directory(step.source, error)) {
    CANOPY_TRY(sources, sources_in(step.source, {".c"}));
  }
  fs::path program = step.work / "program";
  ProcessRequest request{.arguments = {compiler, "-O2", "-static", "-o", program.string()},
                         .folder = step.work,
                         .variables = {}};
  for (const fs::path& source : sources) request.arguments.push_back(source.string());
  request.arguments.emplace_back("-pthread");
  CANOPY_TRY_VOID(run_compiler(request, step.source.filename().string(), builder));
  return program;
}

bool is_archive(const fs::path& path) { return path.extension() == ".tar"; }

// The program, or what is compiled from sources.
Result<std::string> program_of(const fs::path& path, const Builder& builder) {
  std::error_code error;
  const auto language = language_of(path);
  if (!language && !fs::is_directory(path, error)) return read_file(path, image_bytes_max);
  if (!language) return tl::unexpected(language.error());
  if (*language != Language::go && *language != Language::c) {
    return fail(Code::refused, "only Go and C are compiled for a container; build the image of " +
                                   path.string() +
                                   " yourself, and name its file: `docker save IMAGE -o image.tar`");
  }
  CANOPY_TRY(const TempFolder work, TempFolder::make(builder.environment));
  const CompileStep step{.source = fs::absolute(path, error).lexically_normal(), .work = work.path()};
  const auto compile = *language == Language::go ? compile_native_go : compile_native_c;
  CANOPY_TRY(const fs::path program, compile(step, builder));
  return read_file(program, image_bytes_max);
}

}  // namespace

Result<Built> build_container(const fs::path& path, const Builder& builder) {
  std::error_code error;
  if (!fs::exists(path, error)) return fail(Code::not_found, "there is no " + path.string());
  Built built;
  built.runtime = "container";
  if (is_archive(path)) {
    CANOPY_TRY(built.code, read_file(path, image_bytes_max));
    return built;
  }
  wire::NewImage image;
  CANOPY_TRY(image.program, program_of(path, builder));
  CANOPY_TRY_VOID(check_program(image.program, path));
  fs::path whole = fs::absolute(path, error).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();
  image.name = whole.stem().string();
  built.code = wire::write_image(image);
  return built;
}

}  // namespace canopy::cli

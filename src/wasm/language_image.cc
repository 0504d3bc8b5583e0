#include "wasm/language_image.h"

#include "wasm/preparation.h"
#include "wire/wasm_split.h"

namespace canopy::wasm {
namespace {

struct Parts {
  ModuleHandle interpreter;
  ModuleHandle first_image;
  std::vector<Import> imports;
};

Result<Parts> load_parts(wasm_engine_t& engine, const Host& host, const LanguageSource& from) {
  Parts parts{.interpreter = {}, .first_image = {}, .imports = host.imports};
  parts.imports.insert(parts.imports.end(), host.language_imports.begin(), host.language_imports.end());
  wasmtime_module_t* raw = nullptr;
  if (const ErrorHandle error{wasmtime_module_deserialize_file(&engine, from.interpreter.c_str(), &raw)}) {
    return fail(Code::unavailable, "loading " + from.interpreter.string() + ": " + message(*error));
  }
  parts.interpreter.reset(raw);
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(from.first_image.data());
  if (const ErrorHandle error{wasmtime_module_new(&engine, bytes, from.first_image.size(), &raw)}) {
    return fail(Code::internal, "the interpreter's first memory: " + message(*error));
  }
  parts.first_image.reset(raw);
  return parts;
}

// One attempt, with instances of its own.
Result<std::string> attempt(wasm_engine_t& engine, const Parts& parts, Preparation& preparation,
                            const std::string& prepare_name) {
  CANOPY_TRY(const LinkerHandle linker, make_linker(engine, parts.imports, false));
  const std::string memory_name(wire::split_memory_name);
  CANOPY_TRY_VOID(preparation.instantiate(*linker, *parts.first_image));
  CANOPY_TRY_VOID(preparation.offer(*linker, wire::split_memory_module, memory_name));
  CANOPY_TRY_VOID(preparation.instantiate(*linker, *parts.interpreter));
  CANOPY_TRY_VOID(preparation.call_export(prepare_name));
  const std::uint8_t* data = nullptr;
  std::size_t size = 0;
  if (!preparation.memory_of(memory_name, data, size))
    return fail(Code::internal, "the interpreter has no memory");
  return wire::write_image({reinterpret_cast<const std::byte*>(data), size});
}

}  // namespace

Result<LanguageImage> prepare_image(wasm_engine_t& engine, const Host& host, const Function& function,
                                    const LanguageSource& from) {
  CANOPY_TRY(const Parts parts, load_parts(engine, host, from));
  std::string note;
  for (const std::string& name : from.prepare_names) {
    Preparation preparation(engine, host, function, from.source);
    Result<std::string> image = attempt(engine, parts, preparation, name);
    if (image) return LanguageImage{.wasm = *std::move(image), .note = note};
    if (!preparation.unsound()) {
      if (!preparation.said()) return tl::unexpected(std::move(image).error());
      const Code code = preparation.said()->code == Code::limit ? Code::limit : Code::refused;
      return fail(code, preparation.said()->message);
    }
    note = *preparation.unsound();
  }
  return fail(Code::refused, note);
}

}  // namespace canopy::wasm

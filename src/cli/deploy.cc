#include "cli/deploy.h"

#include <filesystem>
#include <utility>

#include "cli/build.h"
#include "cli/client.h"
#include "cli/files.h"
#include "cli/upload.h"
#include "wire/json_read.h"
#include "wire/json_writer.h"

namespace canopy::cli {
namespace {

namespace fs = std::filesystem;

// "hello.cc" and "hello/" both make hello.wasm, here; what is JavaScript makes hello.bundle.js.
fs::path module_name(const fs::path& source, std::string_view runtime) {
  std::error_code error;
  fs::path whole = fs::absolute(source, error).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();
  return (fs::is_directory(whole, error) ? whole.filename() : whole.stem()).string() +
         (runtime == "js"          ? ".bundle.js"
          : runtime == "python"    ? ".function.py"
          : runtime == "container" ? ".image.tar"
                                   : ".wasm");
}

}  // namespace

Result<int> build_verb(Command& command, Terminal& terminal) {
  const fs::path source = command.arguments.front();
  const Builder builder{.environment = command.environment, .terminal = terminal};
  std::string runtime = "container";
  if (!command.flags.container) {
    CANOPY_TRY(runtime, runtime_said_of(source));
  }
  CANOPY_TRY(const Built built, build(source, builder, runtime));
  const std::string& module = built.code;
  const fs::path output =
      command.flags.output.empty() ? module_name(source, built.runtime) : fs::path(command.flags.output);
  if (output == "-") {
    terminal.out() << module;
    return 0;
  }
  CANOPY_TRY_VOID(write_file(output, module));
  if (command.flags.json) {
    wire::JsonWriter json;
    json.begin_object();
    json.member("file", output.string());
    json.member("size_bytes", module.size());
    json.end_object();
    terminal.out() << json.text() << '\n';
  } else {
    terminal.out() << output.string() << "  " << short_size(module.size()) << '\n';
  }
  return 0;
}

Result<int> deploy(Command& command, Terminal& terminal) {
  CANOPY_TRY(const Project project, find_project(command.arguments.front(), command.flags.name));
  CANOPY_TRY(const Upload upload, make_upload(project, command.flags, command, terminal));
  const Client client(command);
  CANOPY_TRY(const Uploaded uploaded, send_upload(upload, client, terminal));
  if (command.flags.json) {
    terminal.out() << uploaded.json;
    return 0;
  }
  const std::string name = to_text(upload.name);
  const bool unchanged = text_field(uploaded.function, "result") == "unchanged";
  terminal.out() << (unchanged ? "unchanged: " : "deployed ") << terminal.bold(name)
                 << (unchanged ? " is at version " : " version ") << count_field(uploaded.function, "version")
                 << " (" << short_size(upload.module.size()) << ")\n"
                 << text_field(uploaded.function, "url") << '\n'
                 << "call it:  canopy invoke " << name << " -d 'some input'\n";
  return 0;
}

Result<int> remove(Command& command, Terminal& terminal) {
  const Client client(command);
  for (const std::string& text : command.arguments) {
    CANOPY_TRY(const FunctionName name, parse_function_name(text));
    CANOPY_TRY(const auto response, client.ask({.method = "DELETE", .target = function_target(name)}));
    if (command.flags.json) {
      terminal.out() << response.body;
    } else {
      terminal.out() << "removed " << to_text(name) << '\n';
    }
  }
  return 0;
}

Result<int> roll_back(Command& command, Terminal& terminal) {
  CANOPY_TRY(const FunctionName name, parse_function_name(command.arguments.front()));
  ClientRequest request{.method = "POST", .target = function_target(name) + "/rollback"};
  if (command.flags.to_version != 0) {
    request.headers.push_back({"Content-Type", "application/json"});
    request.body = "{\"version\":" + std::to_string(command.flags.to_version) + "}";
  }
  const Client client(command);
  CANOPY_TRY(const auto response, client.ask(std::move(request)));
  if (command.flags.json) {
    terminal.out() << response.body;
    return 0;
  }
  CANOPY_TRY(const Json function, wire::parse_json(response.body));
  terminal.out() << to_text(name) << " is at version " << count_field(function, "version") << " again\n";
  return 0;
}

}  // namespace canopy::cli

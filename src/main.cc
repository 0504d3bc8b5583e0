// Starts the program: hands over to the compile child, a Python function's process, what stands beside a
// container or the worker if it is one, else to the command line.

#include <unistd.h>

#include "cli/program.h"
#include "cli/serve.h"
#include "container/warden.h"
#include "python/child.h"
#include "version.h"
#include "wasm/compile.h"
#include "worker/child.h"

int main(int count, char** arguments) {
  using canopy::cli::Environment;
  if (canopy::wasm::is_compile_child(count, arguments)) {
    return canopy::wasm::compile_child(count, arguments, canopy::cli::make_preparing_host);
  }
  if (canopy::python::is_python_child(count, arguments)) {
    return canopy::python::python_child(count, arguments);
  }
  if (canopy::container::is_warden(count, arguments)) return canopy::container::warden(count, arguments);
  if (canopy::worker::is_worker_child(count, arguments)) {
    canopy::cli::prepare_process();
    return canopy::worker::worker_child(count, arguments, canopy::cli::make_worker_runtimes,
                                        canopy::system_clock());
  }
  const Environment environment(canopy::environment_of(environ));
  const bool no_color = !environment.get("NO_COLOR").empty() || environment.get("TERM") == "dumb";
  auto terminal = canopy::cli::open_terminal(no_color);
  const canopy::cli::ProgramInput input{.arguments = {arguments + (count > 0 ? 1 : 0), arguments + count},
                                        .environment = environment,
                                        .version = CANOPY_VERSION};
  return canopy::cli::run_program(input, terminal, canopy::system_clock());
}

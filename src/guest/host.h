#pragma once
// What a WebAssembly guest may import, as the engine takes it: WASI preview 1, the module `canopy` of our
// own SDK (sdk/c/canopy.h), and the first of Faasm's functions in `env`.
//
//   stdin   the call's input
//   stdout  the reply's output; the log, once the function set its output by the SDK
//   stderr  the call's log
//   files   the function's own at /, read-only; /etc/{hosts,passwd,resolv.conf}; a private /tmp
//   3 = "/", 4 = ".": both the root
//
// While a module is prepared for its image (Caller::preparing()), whatever would differ from call to call
// ends it with Code::refused and "the initialisation asked for ...": the time, randomness, the environment,
// the call's input, or a file of its own. What it prints then goes to the log.
//
// Threads: the imports run on the thread of their caller; make_state may be called from any thread.
// Life:    the Host keeps what it needs alive; states must not outlive it.

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "guest/mapped_file.h"
#include "guest/vfs.h"
#include "wasm/host.h"

namespace canopy::guest {

// A folder of the machine that the guest sees.
struct MappedFolder {
  std::string guest_path;
  std::shared_ptr<Node> node;
};

// "HOST::GUEST", or "HOST" alone for the same path in the guest; as --dir has it.
//   invalid      an empty half, or not a folder
//   not_found, unavailable
Result<MappedFolder> map_folder(std::string_view text);

// For `canopy run` alone: one module, once, with the rights of whoever runs it.
struct LocalRun {
  std::vector<std::string> arguments;  // All of them: the first is the program's name.
  std::vector<MappedFolder> folders;   // Opened before the tree, which keeps "/" unless one is mapped there.
  bool own_streams = false;            // The process's standard streams are the guest's.
};

struct GuestOptions {
  FileLoader load_file;           // The content of the functions' own files; without it they cannot be read.
  std::optional<LocalRun> local;  // Absent in a server, always.
  // What a language's own imports keep of a call; made when they first ask for it.
  std::function<std::unique_ptr<wasm::GuestState>()> make_extension = {};
};

wasm::Host make_host(GuestOptions options);

}  // namespace canopy::guest

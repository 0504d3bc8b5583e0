#pragma once
// How a kind of function runs. A Runtime makes a Template from a function once per version; a Template
// starts Instances; an Instance runs one call, in isolation, within its limits.
//
//   deploy ── prepare(Function) ──▶ Template          slow, once per version, in a child process
//   call   ── Template::start(core) ──▶ Instance ── run(Call) ──▶ Reply      the hot path
//
// A new kind of function is one implementation of these three, and one line where the server's
// runtimes are made (cli/serve.cc).

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/error.h"
#include "exec/core.h"
#include "model/call.h"
#include "model/function.h"
#include "net/task.h"

namespace canopy::exec {

class Instance {
 public:
  virtual ~Instance() = default;

  // Runs `call` to its end, its deadline, or cancel(). A failed call is a Reply with an error, because its
  // usage counts and its log is kept. Nothing of the call stays behind for longer
  // than this round of the core's loop. Once per instance.
  //   died             it trapped; the message says what, and where by function name and offset
  //   function_failed  it ended with a code other than 0
  //   limit            it went past a limit; the message names the limit and its value
  //   deadline         the deadline passed; `stage` says what it was doing
  //   canceled         cancel() was called
  //   unavailable      no room for one more instance on this core
  virtual net::Task<Reply> run(Call& call) = 0;

  // Ends a run that is under way; on its core's thread.
  virtual void cancel() = 0;
};

class Template {
 public:
  virtual ~Template() = default;

  // An instance on `core`, on its thread. Cheap: what is heavy happens in run().
  virtual std::unique_ptr<Instance> start(Core& core) = 0;

  // What it holds in memory on all cores, but for its running instances.
  virtual std::uint64_t resident_bytes() const = 0;
  // The part of it on `core`, on its thread.
  virtual std::uint64_t resident_bytes(const Core& core) const = 0;

  // Gives back what it holds on `core`, on its thread, if no call of it runs there. It loads again by itself.
  virtual void unload(Core& core) = 0;
};

// Finds stored code and has room for what is made from it.
struct Workplace {
  std::function<Result<std::filesystem::path>(std::string_view digest)> code_path;
  std::filesystem::path compiled_folder;
};

// The instances of a function that stay between calls.
struct Standing {
  std::size_t count = 0;
  bool is_crashed = false;  // The last one that ended by itself.
};

// One that wraps another passes on, or answers itself, whatever there is to ask: so none of it has an answer
// here.
class Runtime {
 public:
  virtual ~Runtime() = default;

  virtual std::string_view name() const = 0;  // "wasm"

  // Whether `code` could be that of `function`, as far as a look at it tells: so that nothing is kept on disk
  // of what cannot run. Any thread; blocks for as long as it takes to read it once.
  //   refused  it is no module, or one that cannot run here; in full words
  virtual Result<void> check(const Function& function, std::string_view code) = 0;

  // Notes in `function`, of which `code` was checked, what of this machine that is bound to. Blocks as
  // check().
  virtual void bind(Function& function, std::string_view code) = 0;

  // The template of `function` if all that is slow about it was done before, else null. Blocks for as long as
  // it takes to read all that was made, once per process, to know it whole; never behind others'
  // compilations. Any thread but a core's. Why: docs/decisions/0007-a-checksum-of-compiled-code.md.
  virtual std::shared_ptr<Template> find(const Function& function) = 0;

  // Makes `function` ready, or finds it made already on disk. Blocks: milliseconds to the compile limit.
  // Any thread.
  //   refused      the code does not validate, link or compile, or its initialisation fails; in full words
  //   limit        making it took more time or memory than is allowed
  //   unavailable  its code is lost or cannot be read; or stop() was called
  virtual Result<std::shared_ptr<Template>> prepare(const Function& function) = 0;

  // This process stops: what prepare() may do for minutes ends soon. Any thread.
  virtual void stop() = 0;

  // Nothing where each call has an instance of its own, where it was not made ready here, and where instances
  // may be on other machines. Any thread.
  virtual std::optional<Standing> standing(const Function& function) = 0;

  // Under which name on disk it keeps what it makes of `function`; "" where it keeps nothing.
  virtual std::string made_name(const Function& function) const = 0;

  // Deletes from disk what it made under other names than `names`, but what is in use and what was asked for
  // within `age`. Returns bytes freed. Any thread but a core's; blocks on the disk.
  //   unavailable
  virtual Result<std::uint64_t> sweep(const std::set<std::string>& names, Duration age) = 0;
};

// One that wraps none: what it says where it has nothing of its own to say.
class PlainRuntime : public Runtime {
 public:
  void bind(Function& /*function*/, std::string_view /*code*/) override {}
  void stop() override {}
  std::optional<Standing> standing(const Function& /*function*/) override { return std::nullopt; }
  std::string made_name(const Function& /*function*/) const override { return {}; }
  Result<std::uint64_t> sweep(const std::set<std::string>& /*names*/, Duration /*age*/) override { return 0; }
};

using Runtimes = std::map<std::string, std::unique_ptr<Runtime>, std::less<>>;  // By name.

}  // namespace canopy::exec

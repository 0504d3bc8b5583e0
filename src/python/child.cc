#include "python/child.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/child.h"
#include "base/units.h"
#include "python/filter.h"
#include "wire/python_frames.h"

namespace canopy::python {
namespace {

constexpr int control_descriptor = 3;
constexpr std::size_t packet_bytes_max = 128 * KiB;
constexpr std::size_t fixed_fields = 10;
constexpr rlim_t thread_stack_bytes = MiB;

std::string packet_of(const LaunchPlan& plan) {
  const SandboxPlan& sandbox = plan.sandbox;
  wire::PythonFields fields = {
      plan.install ? "install" : "zygote", plan.interpreter.native(), sandbox.prefix.native(),
      sandbox.function.native(),           sandbox.site.native(),     sandbox.writable_site ? "1" : "0",
      sandbox.network ? "1" : "0"};
  fields.add(sandbox.memory_bytes);
  fields.add(sandbox.processes);
  fields.add(sandbox.path.size());
  for (const std::filesystem::path& folder : sandbox.path) fields.add(folder.native());
  for (const std::string& variable : plan.env) fields.add(variable);
  return fields.bytes();
}

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

Result<LaunchPlan> receive_plan() {
  std::string bytes(packet_bytes_max, '\0');
  ssize_t got = 0;
  do {
    got = recv(control_descriptor, bytes.data(), bytes.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return fail(Code::canceled, "the server is gone");
  CANOPY_TRY(const auto fields,
             wire::read_python_fields(std::string_view(bytes).substr(0, static_cast<std::size_t>(got))));
  if (fields.size() < fixed_fields) return fail(Code::invalid, "what the server says is no plan");
  LaunchPlan plan;
  plan.install = fields[0] == "install";
  plan.interpreter = fields[1];
  plan.sandbox = {.prefix = fields[2],
                  .function = fields[3],
                  .site = fields[4],
                  .writable_site = fields[5] == "1",
                  .network = fields[6] == "1",
                  .memory_bytes = number(fields[7]),
                  .processes = number(fields[8])};
  const auto folders =
      static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(number(fields[9]), fields.size() - fixed_fields));
  const auto after = fields.begin() + fixed_fields;
  plan.sandbox.path.assign(after, after + folders);
  plan.env.assign(after + folders, fields.end());
  return plan;
}

Result<void> apply_filter(FilterKind kind) {
  std::string bytes = make_filter(kind);
  const sock_fprog program{.len = static_cast<unsigned short>(bytes.size() / sizeof(sock_filter)),
                           .filter = reinterpret_cast<sock_filter*>(bytes.data())};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0) return {};
  return fail(Code::unavailable,
              "Python functions cannot be run in isolation here: the kernel takes no filter of system calls");
}

// Threads of the interpreter get stacks of this size; its first one gets more again, in zygote.py.
void choose_stacks() {
  rlimit stack{};
  getrlimit(RLIMIT_STACK, &stack);
  stack.rlim_cur = thread_stack_bytes;
  setrlimit(RLIMIT_STACK, &stack);
}

Result<void> become_python(const LaunchPlan& plan) {
  CANOPY_TRY_VOID(enter_sandbox(plan.sandbox));
  choose_stacks();
  CANOPY_TRY_VOID(apply_filter(plan.install ? FilterKind::call : FilterKind::zygote));
  // By its first word it finds its library.
  std::vector<std::string> words = {plan.interpreter.string(), "-I", "-B"};
  if (plan.install) {
    for (const char* const word : {"-m", "pip", "install", "--no-input", "--disable-pip-version-check",
                                   "--no-cache-dir", "--no-compile", "--no-warn-script-location",
                                   "--progress-bar=off", "--only-binary=:all:", "--target=/site"}) {
      words.emplace_back(word);
    }
    words.emplace_back("--requirement=/site/" + std::string(requirements_file));
  } else {
    words.emplace_back("/canopy/zygote.py");
  }
  // Packages are unpacked before they are put into place: on the disk, where there is more room than in /tmp.
  const std::string temporary = plan.install ? "/site/" + std::string(installer_folder) : "/tmp";
  if (plan.install && mkdir(temporary.c_str(), 0700) != 0) {
    return fail(Code::unavailable, "cannot make a folder for the installer: " +
                                       std::string(std::strerror(errno)));  // NOLINT(concurrency-mt-unsafe)
  }
  std::vector<std::string> env = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", "TMPDIR=" + temporary,
                                  "LANG=C.UTF-8", "MALLOC_ARENA_MAX=2"};
  env.insert(env.end(), plan.env.begin(), plan.env.end());
  const auto pointers = [](std::vector<std::string>& from) {
    std::vector<char*> to;
    for (std::string& text : from) to.push_back(text.data());
    to.push_back(nullptr);
    return to;
  };
  const auto arguments = pointers(words);
  const auto variables = pointers(env);
  execve(plan.interpreter.c_str(), arguments.data(), variables.data());
  return fail(Code::unavailable, "cannot start " + plan.interpreter.string() + ": " +
                                     std::strerror(errno));  // NOLINT(concurrency-mt-unsafe)
}

tl::unexpected<Error> no_process(const std::string& why) {
  return fail(Code::unavailable, "no process for Python can be started: " + why);
}
tl::unexpected<Error> no_process(int error) {
  return no_process(std::strerror(error));  // NOLINT(concurrency-mt-unsafe)
}

}  // namespace

Result<Launched> launch(const LaunchPlan& plan, MemoryGroups* groups) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return no_process(errno);
  Launched launched;
  launched.control = Descriptor(ends[0]);
  const Descriptor theirs(above(control_descriptor, ends[1]));
  Descriptor their_output;
  if (plan.install) {
    std::array<int, 2> pipe_ends{};
    if (pipe2(pipe_ends.data(), O_CLOEXEC) != 0) return no_process(errno);
    launched.output = Descriptor(pipe_ends[0]);
    their_output = Descriptor(above(control_descriptor, pipe_ends[1]));
    if (!their_output) return no_process(errno);
  }
  if (!theirs) return no_process(errno);
  ChildPlan child;
  child.program = "/proc/self/exe";
  child.words = {child.program, std::string(python_child_word), std::to_string(getpid())};
  child.env.emplace();
  const int output = plan.install ? their_output.get() : no_stream;
  child.streams = {no_stream, output, output, theirs.get()};
  // Signals to a group do not stop at a namespace, and a function may send one to its own.
  child.group = ChildPlan::Group::own;
  const auto process = start_child(child);
  if (!process) return no_process(process.error().message);
  launched.process = *process;
  // It waits for its plan, so all that it gets by it counts.
  if (groups != nullptr) launched.memory = groups->enter(launched.process, plan.sandbox.memory_bytes);
  const std::string packet = packet_of(plan);
  if (send(launched.control.get(), packet.data(), packet.size(), MSG_NOSIGNAL) < 0) {
    const int error = errno;
    static_cast<void>(kill_child(launched.process));
    return no_process(error);
  }
  fcntl(launched.control.get(), F_SETFL, O_NONBLOCK);
  return launched;
}

bool is_python_child(int count, const char* const* arguments) {
  return count == 3 && std::string_view(arguments[1]) == python_child_word;
}

int python_child(int /*count*/, const char* const* arguments) {
  const auto parent = static_cast<long>(number(arguments[2]));
  if (parent == 0 || !tie_to_parent(parent)) return 1;
  const auto plan = receive_plan();
  if (!plan) return 1;
  const auto became = become_python(*plan);
  const std::string packet = wire::PythonFields{"broken", became.error().message}.bytes();
  send(control_descriptor, packet.data(), packet.size(), MSG_NOSIGNAL);
  return 1;
}

}  // namespace canopy::python

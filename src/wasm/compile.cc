#include "wasm/compile.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/descriptor.h"
#include "base/log.h"
#include "wasm/compile_job.h"

namespace canopy::wasm {
namespace {

constexpr std::size_t answer_bytes_max = 64 * KiB;

struct Child {
  pid_t pid;
  std::string answer;
  bool late = false;
  int status = 0;
};

// Tells the child its job and reads what it says, until it has ended or the time is up; then ends it.
void attend(Child& child, std::string_view job, Descriptor& to, const Descriptor& from, Duration timeout) {
  const Time deadline = system_clock().now() + timeout;
  const auto left = [deadline] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(deadline - system_clock().now());
  };
  std::array<char, 4096> piece{};
  for (;;) {
    if (job.empty()) to.reset();
    std::array<pollfd, 2> wanted = {{{from.get(), POLLIN, 0}, {to.get(), POLLOUT, 0}}};
    const auto time = left().count();
    const int ready = time > 0 ? poll(wanted.data(), wanted.size(), static_cast<int>(time)) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) break;
    if (wanted[1].revents != 0) {
      const ssize_t sent = write(to.get(), job.data(), job.size());
      const bool again = sent < 0 && (errno == EINTR || errno == EAGAIN);
      // Where the child is gone its status says why.
      job.remove_prefix(sent >= 0 ? static_cast<std::size_t>(sent) : again ? 0 : job.size());
    }
    if (wanted[0].revents == 0) continue;
    const ssize_t got = read(from.get(), piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    if (child.answer.size() < answer_bytes_max)
      child.answer.append(piece.data(), static_cast<std::size_t>(got));
  }
  to.reset();
  auto status = wait_for_child(child.pid, left());
  child.late = !status;
  if (!status) status = kill_child(-child.pid);
  child.status = status.value_or(0);
}

Result<pid_t> start(const CompileOptions& options, int job_pipe, int answer_pipe) {
  ChildPlan child;
  child.program = options.program.string();
  child.words = {child.program, std::string(compile_child_word)};
  child.env.emplace();  // Nothing of the server's environment reaches it.
  child.streams = {job_pipe, answer_pipe, no_stream};
  child.group = ChildPlan::Group::own;
  auto started = start_child(child);
  if (started) return started;
  return fail(Code::unavailable, "starting the compiler " + child.program + ": " + started.error().message);
}

Error explain(const Child& child, const CompileOptions& options) {
  if (child.late) {
    return {Code::limit, "compiling took longer than " + duration_text(options.timeout) +
                             "; make the module smaller, or raise 'compile-timeout'"};
  }
  if (WIFSIGNALED(child.status)) {
    return {Code::limit, "the compiler was ended by signal " + std::to_string(WTERMSIG(child.status)) +
                             "; it may have reached its memory limit of " + size_text(options.memory_bytes) +
                             " ('compile-memory')"};
  }
  return {Code::internal, "the compiler ended with status " + std::to_string(WEXITSTATUS(child.status)) +
                              " and said nothing"};
}

}  // namespace

Result<ModulePlan> compile(const CompileOptions& options, const Function& function,
                           const std::filesystem::path& code, const std::filesystem::path& compiled,
                           const std::vector<std::string>& entry_names) {
  CompileJob job;
  job.code = code;
  job.compiled = compiled;
  job.function_memory_bytes = function.limits.memory_bytes;
  job.files = function.files;
  job.entry_names = entry_names;
  return carry_out(options, std::move(job));
}

Result<ModulePlan> carry_out(const CompileOptions& options, CompileJob wanted) {
  const std::filesystem::path compiled = wanted.compiled;
  std::error_code error;
  std::filesystem::create_directories(compiled.parent_path(), error);
  if (error)
    return fail(Code::unavailable, "making " + compiled.parent_path().string() + ": " + error.message());

  std::array<int, 2> jobs{};
  std::array<int, 2> answers{};
  if (pipe2(jobs.data(), O_CLOEXEC) != 0) return fail(Code::unavailable, "no pipe for the compiler");
  Descriptor job_read(jobs[0]);
  Descriptor job_write(jobs[1]);
  if (pipe2(answers.data(), O_CLOEXEC) != 0) return fail(Code::unavailable, "no pipe for the compiler");
  Descriptor answer_read(answers[0]);
  Descriptor answer_write(answers[1]);

  CANOPY_TRY(const pid_t pid, start(options, job_read.get(), answer_write.get()));
  job_read.reset();
  answer_write.reset();
  wanted.code_folder = options.code_folder;
  wanted.memory_bytes = options.memory_bytes;
  wanted.timeout = options.timeout;
  const std::string job = write_job(wanted);
  fcntl(job_write.get(), F_SETFL, O_NONBLOCK);  // NOLINT(cppcoreguidelines-pro-type-vararg)
  Child child{.pid = pid, .answer = {}};
  attend(child, job, job_write, answer_read, options.timeout);
  if (child.late || child.answer.empty()) return tl::unexpected(explain(child, options));
  const std::size_t newline = child.answer.find('\n');
  const std::string word = child.answer.substr(0, newline);
  if (word == "done") return read_plan(compiled);
  const std::string words = newline == std::string::npos ? "" : child.answer.substr(newline + 1);
  const Code refusal = word == "refused" ? Code::refused : word == "limit" ? Code::limit : Code::unavailable;
  return fail(refusal, words.empty() ? "the compiler failed" : words);
}

}  // namespace canopy::wasm

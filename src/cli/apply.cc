// canopy apply: what canopy.yaml says, made so; with a diff of what changes.

#include <algorithm>
#include <optional>
#include <utility>

#include <boost/json/object.hpp>

#include "base/sha256.h"
#include "cli/client.h"
#include "cli/deploy.h"
#include "cli/upload.h"
#include "wire/json_writer.h"

namespace canopy::cli {
namespace {

struct Change {
  std::string what;
  std::string before;
  std::string after;
};

// The function as it is deployed; nothing where there is none.
Result<std::optional<Json>> find_deployed(const Client& client, const FunctionName& name) {
  auto found = client.ask_json({.target = function_target(name)});
  if (found) return std::optional<Json>(*std::move(found));
  if (found.error().code == Code::not_found) return std::optional<Json>();
  return tl::unexpected(std::move(found).error());
}

class Differ {
 public:
  explicit Differ(const Json& deployed) : deployed_(deployed), limits_(object_field(deployed, "limits")) {}

  std::vector<Change> compare(const Upload& upload) {
    const wire::Manifest& said = upload.manifest;
    text("code", text_field(deployed_, "digest").substr(0, 12), sha256_hex(upload.module).substr(0, 12));
    if (said.runtime) text("runtime", text_field(deployed_, "runtime"), *said.runtime);
    size("memory", "memory_bytes", said.memory_bytes);
    size("output", "output_bytes", said.output_bytes);
    size("log", "log_bytes", said.log_bytes);
    size("tmp", "tmp_bytes", said.tmp_bytes);
    if (said.timeout) {
      text("timeout", short_seconds(number_field(limits_, "timeout_seconds")),
           short_seconds(std::chrono::duration<double>(*said.timeout).count()));
    }
    count("concurrency", said.concurrency);
    count("open_files", said.open_files);
    compare_env(said);
    return std::move(changes_);
  }

 private:
  void text(std::string what, std::string before, std::string after) {
    if (before != after) changes_.push_back({std::move(what), std::move(before), std::move(after)});
  }
  void size(std::string_view what, std::string_view key, const std::optional<std::uint64_t>& after) {
    if (after) text(std::string(what), size_text(count_field(limits_, key)), size_text(*after));
  }
  void count(std::string_view what, const std::optional<std::uint32_t>& after) {
    if (after) text(std::string(what), std::to_string(count_field(limits_, what)), std::to_string(*after));
  }
  // Values are not shown: they may be secrets.
  void compare_env(const wire::Manifest& said) {
    const Json before = object_field(deployed_, "env");
    Function wanted;
    wire::apply(said, wanted);  // What else a manifest says may be kept in variables.
    const auto& after = wanted.env;
    for (const auto& [name, value] : after) {
      const bool had = field(before, name) != nullptr;
      if (!had) text("env " + name, "", "(set)");
      if (had && text_field(before, name) != value) text("env " + name, "(old)", "(new)");
    }
    for (const auto& [name, value] : *before.if_object()) {
      const std::string key(name.data(), name.size());
      if (!after.contains(key)) text("env " + key, "(set)", "");
    }
  }

  const Json& deployed_;
  const Json limits_;
  std::vector<Change> changes_;
};

struct Outcome {
  FunctionName name;
  std::string what;  // "new", "changed", "unchanged"
  std::vector<Change> changes;
  std::uint64_t version = 0;  // Once it is deployed.
};

void print_outcome(const Outcome& outcome, Terminal& terminal) {
  const std::string name = to_text(outcome.name);
  if (outcome.what == "unchanged") {
    terminal.out() << "  " << name << "  " << terminal.faint("unchanged") << '\n';
    return;
  }
  const bool is_new = outcome.what == "new";
  terminal.out() << (is_new ? terminal.green("+ ") : terminal.yellow("~ ")) << terminal.bold(name) << "  "
                 << outcome.what;
  if (outcome.version != 0) terminal.out() << ", version " << outcome.version;
  terminal.out() << '\n';
  for (const Change& change : outcome.changes) {
    terminal.out() << "    " << change.what << ": " << terminal.red(change.before)
                   << (change.before.empty() || change.after.empty() ? "" : " -> ")
                   << terminal.green(change.after) << '\n';
  }
}

void print_json(const std::vector<Outcome>& outcomes, Terminal& terminal) {
  wire::JsonWriter json;
  json.begin_object();
  json.key("functions");
  json.begin_array();
  for (const Outcome& outcome : outcomes) {
    json.begin_object();
    json.member("function", to_text(outcome.name));
    json.member("result", outcome.what);
    if (outcome.version != 0) json.member("version", outcome.version);
    json.key("changes");
    json.begin_array();
    for (const Change& change : outcome.changes) {
      json.begin_object();
      json.member("what", change.what);
      json.member("before", change.before);
      json.member("after", change.after);
      json.end_object();
    }
    json.end_array();
    json.end_object();
  }
  json.end_array();
  json.end_object();
  terminal.out() << json.text() << '\n';
}

Result<Outcome> apply_one(const Upload& upload, const Client& client, bool dry_run, Terminal& terminal) {
  CANOPY_TRY(const auto deployed, find_deployed(client, upload.name));
  Outcome outcome{.name = upload.name, .what = "new", .changes = {}};
  if (deployed) {
    outcome.changes = Differ(*deployed).compare(upload);
    outcome.what = outcome.changes.empty() ? "unchanged" : "changed";
  }
  if (dry_run) return outcome;
  // Also where nothing seems to change: what the file does not say goes back to the server's default.
  CANOPY_TRY(const Uploaded uploaded, send_upload(upload, client, terminal));
  outcome.version = count_field(uploaded.function, "version");
  if (deployed && outcome.changes.empty() && outcome.version != count_field(*deployed, "version")) {
    outcome.what = "changed";
    outcome.changes.push_back({"settings the file does not name", "", "(the server's defaults)"});
  }
  return outcome;
}

}  // namespace

Result<int> apply(Command& command, Terminal& terminal) {
  CANOPY_TRY(const auto projects, read_projects(command.flags.manifest));
  // All are built before the first is deployed, so that one that does not compile changes nothing.
  std::vector<Upload> uploads;
  for (const Project& project : projects) {
    CANOPY_TRY(Upload upload, make_upload(project, command.flags, command, terminal));
    uploads.push_back(std::move(upload));
  }
  const Client client(command);
  std::vector<Outcome> outcomes;
  for (const Upload& upload : uploads) {
    CANOPY_TRY(Outcome outcome, apply_one(upload, client, command.flags.dry_run, terminal));
    if (!command.flags.json) print_outcome(outcome, terminal);
    outcomes.push_back(std::move(outcome));
  }
  if (command.flags.json) print_json(outcomes, terminal);
  if (!command.flags.json && command.flags.dry_run)
    terminal.out() << "nothing was changed: this was a dry run\n";
  return 0;
}

}  // namespace canopy::cli

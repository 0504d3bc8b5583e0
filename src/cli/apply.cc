// canopy apply: what canopy.yaml says, made so; with a diff of what changes.

#include <map>
#include <optional>
#include <utility>

#include <boost/json/object.hpp>

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

// What is different between what is deployed and what the server makes of the file.
class Differ {
 public:
  Differ(const Json& before, const Json& after) : before_(before), after_(after) {}

  std::vector<Change> compare() {
    text("code", text_field(before_, "digest").substr(0, 12), text_field(after_, "digest").substr(0, 12));
    text("runtime", text_field(before_, "runtime"), text_field(after_, "runtime"));
    for (const char* const name : {"memory", "output", "log", "tmp"}) size(name);
    const auto timeout = [](const Json& limits) {
      return short_seconds(number_field(limits, "timeout_seconds"));
    };
    limit("timeout", timeout);
    for (const char* const name : {"concurrency", "open_files"}) count(name);
    compare_env();
    compare_files();
    return std::move(changes_);
  }

 private:
  void text(std::string what, std::string before, std::string after) {
    if (before != after) changes_.push_back({std::move(what), std::move(before), std::move(after)});
  }
  template <class Show>
  void limit(const std::string& what, const Show& show) {
    text(what, show(object_field(before_, "limits")), show(object_field(after_, "limits")));
  }
  void size(const std::string& what) {
    limit(what, [&what](const Json& limits) { return size_text(count_field(limits, what + "_bytes")); });
  }
  void count(const std::string& what) {
    limit(what, [&what](const Json& limits) { return std::to_string(count_field(limits, what)); });
  }
  // Values are not shown: they may be secrets.
  void compare_env() {
    const auto& before = object_field(before_, "env");
    const auto& after = object_field(after_, "env");
    for (const auto& [name, value] : after) {
      const Json* const old = before.if_contains(name);
      if (old == nullptr) text("env " + std::string(name.data(), name.size()), "", "(set)");
      if (old != nullptr && *old != value)
        text("env " + std::string(name.data(), name.size()), "(old)", "(new)");
    }
    for (const auto& [name, value] : before) {
      if (!after.contains(name)) text("env " + std::string(name.data(), name.size()), "(set)", "");
    }
  }
  void compare_files() {
    const auto before = digests(before_);
    const auto after = digests(after_);
    for (const auto& [path, digest] : after) {
      const auto at = before.find(path);
      text("file " + path, at == before.end() ? "" : at->second, digest);
    }
    for (const auto& [path, digest] : before) {
      if (!after.contains(path)) text("file " + path, digest, "");
    }
  }
  static std::map<std::string, std::string> digests(const Json& function) {
    std::map<std::string, std::string> found;
    for (const Json& file : list_field(function, "files")) {
      found[text_field(file, "path")] = text_field(file, "digest").substr(0, 12);
    }
    return found;
  }

  const Json& before_;
  const Json& after_;
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
  CANOPY_TRY(const Uploaded uploaded, send_upload(upload, client, terminal, dry_run));
  Outcome outcome{.name = upload.name, .what = text_field(uploaded.function, "result"), .changes = {}};
  if (deployed) outcome.changes = Differ(*deployed, uploaded.function).compare();
  if (!dry_run) outcome.version = count_field(uploaded.function, "version");
  return outcome;
}

}  // namespace

Result<int> apply(Command& command, Terminal& terminal) {
  CANOPY_TRY(const auto projects, read_projects(command.flags.manifest));
  // All are built before the first is deployed, so that one that does not compile changes nothing.
  std::vector<Upload> uploads;
  for (const Project& project : projects) {
    auto upload = make_upload(project, command.flags, command, terminal);
    if (!upload) {
      const std::string which = projects.size() == 1 ? std::string() : to_text(project.name) + ": ";
      return fail(upload.error().code, which + upload.error().message);
    }
    uploads.push_back(*std::move(upload));
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

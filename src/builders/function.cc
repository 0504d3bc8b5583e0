#include "builders/function.h"

#include <utility>

#include "wire/manifest.h"

namespace canopy::builders {
namespace {

std::shared_ptr<const Function> find_in(const store::Snapshot& snapshot, std::string_view space,
                                        const Uuid& id) {
  const auto found = snapshot.functions.find({.space = std::string(space), .name = to_text(id)});
  if (found == snapshot.functions.end() || !found->second->env.contains(std::string(name_variable))) {
    return nullptr;
  }
  return found->second;
}

}  // namespace

Function make_function(std::string space, const Uuid& id, const Registration& registration) {
  Function made;
  made.name = {.space = std::move(space), .name = to_text(id)};
  made.runtime = "python";
  made.env = {{std::string(name_variable), registration.name}};
  if (registration.python) made.env.emplace(wire::python_version_variable, *registration.python);
  return made;
}

bool is_registered(const FunctionName& name) { return is_uuid_text(name.name); }

std::string space_for(const policy::Subject& subject) {
  if (policy::reaches(subject, common_space)) return std::string(common_space);
  return subject.spaces.empty() ? std::string() : subject.spaces.front();
}

std::shared_ptr<const Function> find_function(const store::Snapshot& snapshot, const policy::Subject& subject,
                                              const Uuid& id) {
  if (policy::reaches(subject, common_space)) {
    if (auto found = find_in(snapshot, common_space, id)) return found;
  }
  for (const std::string& space : subject.spaces) {
    if (auto found = find_in(snapshot, space, id)) return found;
  }
  return nullptr;
}

}  // namespace canopy::builders

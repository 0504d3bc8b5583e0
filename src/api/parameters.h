#pragma once
// The parameters of a query, read strictly: an unknown name is an error, as it would be ignored otherwise and
// answer something else than was asked.

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/id.h"
#include "model/record.h"

namespace canopy::api {

class Parameters {
 public:
  //   invalid  a bad escape, a name that is not `known`, or one that stands twice
  static Result<Parameters> read(std::string_view query, std::initializer_list<std::string_view> known);

  // Each: nothing where it is absent; invalid where its value is none.
  std::optional<std::string> text(std::string_view name) const;
  Result<std::optional<std::uint64_t>> count(std::string_view name, std::uint64_t min,
                                             std::uint64_t max) const;
  // Longer than `max` counts as `max`.
  Result<std::optional<Duration>> duration(std::string_view name, Duration max) const;
  Result<std::optional<FunctionName>> function(std::string_view name) const;
  Result<std::optional<CallId>> call(std::string_view name) const;
  Result<std::optional<State>> state(std::string_view name) const;
  Result<bool> flag(std::string_view name) const;  // False where it is absent; "" counts as true.

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace canopy::api

#include "api/parameters.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/units.h"
#include "wire/headers.h"
#include "wire/percent.h"
#include "wire/values.h"

namespace canopy::api {
namespace {

constexpr std::array states = {State::queued, State::running, State::completed, State::failed,
                               State::canceled};

// "limit: " before what is wrong with it.
tl::unexpected<Error> bad(std::string_view name, const Error& error) {
  return fail(error.code, "the parameter '" + std::string(name) + "': " + error.message);
}

}  // namespace

Result<Parameters> Parameters::read(std::string_view query, std::initializer_list<std::string_view> known) {
  Parameters parameters;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view parameter = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (parameter.empty()) continue;
    CANOPY_TRY(const std::string name, wire::percent_decode(parameter.substr(0, parameter.find('='))));
    if (std::ranges::find(known, name) == known.end()) {
      const std::vector<std::string_view> names(known);
      std::string all;
      for (const std::string_view one : names) all += (all.empty() ? "" : ", ") + std::string(one);
      return fail(Code::invalid, "there is no parameter '" + log_safe(name, 80) + "' here" +
                                     (all.empty() ? std::string("; there is none") : "; there is: " + all));
    }
    if (parameters.values_.contains(name)) {
      return fail(Code::invalid, "the parameter '" + name + "' stands twice; give it once");
    }
    CANOPY_TRY(auto value, wire::query_value(parameter, name));
    parameters.values_.emplace(name, std::move(value).value_or(""));
  }
  return parameters;
}

std::optional<std::string> Parameters::text(std::string_view name) const {
  const auto at = values_.find(name);
  if (at == values_.end()) return std::nullopt;
  return at->second;
}

Result<std::optional<std::uint64_t>> Parameters::count(std::string_view name, std::uint64_t min,
                                                       std::uint64_t max) const {
  const auto value = text(name);
  if (!value) return std::nullopt;
  const auto number = wire::read_count(*value, {.min = min, .max = max});
  if (!number) return bad(name, number.error());
  return *number;
}

Result<std::optional<Duration>> Parameters::duration(std::string_view name, Duration max) const {
  const auto value = text(name);
  if (!value) return std::nullopt;
  const auto duration = parse_duration(*value);
  if (!duration) {
    return bad(name,
               {Code::invalid, wire::in_quotes(*value) + " is not a duration; write 250ms, 30s or 10m"});
  }
  return std::min(*duration, max);
}

Result<std::optional<FunctionName>> Parameters::function(std::string_view name) const {
  const auto value = text(name);
  if (!value) return std::nullopt;
  auto function = parse_function_name(*value);
  if (!function) return bad(name, function.error());
  return *std::move(function);
}

Result<std::optional<CallId>> Parameters::call(std::string_view name) const {
  const auto value = text(name);
  if (!value) return std::nullopt;
  const auto id = parse_call_id(*value);
  if (!id) {
    return bad(name, {Code::invalid,
                      wire::in_quotes(*value) + " is not the id of a call, which has 32 hexadecimal digits"});
  }
  return *id;
}

Result<std::optional<State>> Parameters::state(std::string_view name) const {
  const auto value = text(name);
  if (!value) return std::nullopt;
  for (const State state : states) {
    if (wire::same_word(*value, canopy::name(state))) return state;
  }
  return bad(name, {Code::invalid, wire::in_quotes(*value) +
                                       " is none of QUEUED, RUNNING, COMPLETED, FAILED and CANCELLED"});
}

Result<bool> Parameters::flag(std::string_view name) const {
  const auto value = text(name);
  if (!value) return false;
  if (value->empty()) return true;
  const auto flag = wire::read_bool(*value);
  if (!flag) return bad(name, flag.error());
  return *flag;
}

}  // namespace canopy::api

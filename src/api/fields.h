#pragma once
// The members of a small JSON object that a stranger sent, read strictly: an unknown one is an error, as it
// would be ignored otherwise.
//
// Each that reads: nothing where the member is absent; invalid where it is something else. Of null only
// count() makes nothing, and is_null() says so.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/error.h"

namespace canopy::api {

class Fields {
 public:
  // An empty body is an object without members.
  //   invalid  no JSON, no object, or a member that is not `known`
  static Result<Fields> read(std::string_view body, std::initializer_list<std::string_view> known);
  // The same where a body is needed.
  static Result<Fields> read_some(std::string_view body, std::initializer_list<std::string_view> known);
  static Result<Fields> of(boost::json::object object, std::initializer_list<std::string_view> known);

  bool has(std::string_view name) const { return object_.contains({name.data(), name.size()}); }
  bool is_null(std::string_view name) const;

  Result<std::optional<std::string>> text(std::string_view name) const;
  Result<std::optional<bool>> flag(std::string_view name) const;
  Result<std::optional<std::uint64_t>> count(std::string_view name) const;
  Result<std::optional<std::vector<std::string>>> texts(std::string_view name) const;
  Result<std::optional<boost::json::object>> object(std::string_view name) const;

 private:
  const boost::json::value* find(std::string_view name) const;

  boost::json::object object_;
};

}  // namespace canopy::api

#pragma once
// For tests: users with keys, put right into a catalog.

#include <string>

#include "base/check.h"
#include "crypto/api_key.h"
#include "store/catalog.h"

namespace canopy::api {

// A draft of a key of that user, with all it may.
inline Key person_key(store::Catalog& catalog, const std::string& name) {
  const auto accounts = catalog.users().snapshot();
  Key key;
  key.user = accounts->users.at(name)->id;
  key.role = accounts->users.at(name)->role;
  return key;
}

// Adds it, and returns its text.
inline std::string add_person_key(store::Catalog& catalog, Key draft) {
  const crypto::NewApiKey fresh = crypto::make_api_key();
  draft.id = fresh.id;
  draft.digest = fresh.digest;
  CANOPY_CHECK(catalog.users().add_key(draft, {}).has_value());
  return fresh.text;
}

// A user with a namespace of its name, and the text of its key.
inline std::string add_person(store::Catalog& catalog, const std::string& name, Role role,
                              const Quotas& quotas = {}) {
  User user;
  user.name = name;
  user.role = role;
  user.spaces = {name};
  user.quotas = quotas;
  CANOPY_CHECK(catalog.users().add_user(user, {}, {}).has_value());
  return add_person_key(catalog, person_key(catalog, name));
}

}  // namespace canopy::api

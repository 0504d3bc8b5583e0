#pragma once
// What a registered function is here: namespace/<id>, with the name that it was given in a variable.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "builders/body.h"
#include "builders/uuid.h"
#include "model/function.h"
#include "policy/access.h"
#include "store/catalog.h"

namespace canopy::builders {

// Where functions are of those who may go everywhere, or need no key.
inline constexpr std::string_view common_space = "builders";
inline constexpr std::string_view name_variable = "BUILDERS_NAME";
inline constexpr std::size_t name_bytes_max = 1024;

Function make_function(std::string space, const Uuid& id, const Registration& registration);

// Whether a function or call of that name is one of ours.
bool is_registered(const FunctionName& name);

// Where a new function of whoever asks is put: the common namespace, or the first of their own where that is
// closed to them; "" where there is none.
std::string space_for(const policy::Subject& subject);

// Among those that whoever asks may see; null for none.
std::shared_ptr<const Function> find_function(const store::Snapshot& snapshot, const policy::Subject& subject,
                                              const Uuid& id);

}  // namespace canopy::builders

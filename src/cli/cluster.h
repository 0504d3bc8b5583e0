#pragma once
// The workers that may join a server, from its options: who they are made of, and the runtimes whose calls go
// to them.

#include <filesystem>
#include <memory>

#include "api/server.h"
#include "balance/members.h"
#include "base/error.h"
#include "exec/runtime.h"

namespace canopy::cli {

// Listens for workers. The token is the one in `data`, made where it is missing, unless the options name a
// file.
//   invalid      the file holds no token
//   unavailable  the address is taken, the file cannot be read or made
Result<std::shared_ptr<balance::Members>> start_members(const api::RuntimeParts& parts,
                                                        const std::filesystem::path& data);

// Each call of `local` goes where the rules of the moment send it. `members` outlives what is made.
exec::Runtimes dispatch_among(exec::Runtimes local, const std::shared_ptr<balance::Members>& members);

}  // namespace canopy::cli

#pragma once
// Functions that run on workers of HyperFaaS, with this server as their leaf.
//
//   per function   a pool of instances on them (container/pool.h), started by its calls, stopped when idle
//   per call       controller.Controller/Call on the worker of the instance that it has a place in
//
// A function is known to the workers by its name, which is the id that HyperFaaS's database is asked about
// (hyperfaas/database.h). docs/hyperfaas.md says what users are promised.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "exec/runtime.h"

namespace canopy::foreign {

inline constexpr std::string_view runtime_name = "hyperfaas";

// `addresses` are "HOST:PORT"; it is connected to them from now on, for as long as it lives.
std::unique_ptr<exec::Runtime> make_runtime(const std::vector<std::string>& addresses, const Clock& clock);

}  // namespace canopy::foreign

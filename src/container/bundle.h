#pragma once
// The description of a container as runc reads it: config.json of an OCI bundle, with all that keeps it apart
// from the machine.
//
// Threads: any.

#include <span>
#include <string>
#include <string_view>

#include "container/engine.h"

namespace canopy::container {

// `limits_swap`: the kernel can count swapped memory too.
std::string write_bundle(const Plan& plan, bool limits_swap);

// Where runc is told to make its control group: below that of the machine.
std::string cgroup_path(const std::string& id);

// What a container sees nothing of: what its kernel says of the machine, and of others.
std::span<const std::string_view> hidden_paths();

}  // namespace canopy::container

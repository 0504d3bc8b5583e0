#pragma once
// Containers by runc, an OCI runtime: one process of ours beside each (warden.h), no daemon.

#include <filesystem>
#include <memory>
#include <string>

#include "container/engine.h"

namespace canopy::container {

// `folder` is where bundles and runc's own state are; nobody else uses it meanwhile.
std::unique_ptr<Engine> make_runc_engine(std::string program, std::filesystem::path folder);

}  // namespace canopy::container

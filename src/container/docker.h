#pragma once
// Containers by Docker, through its Engine API: where its daemon runs already. No registry is asked, no
// network is made.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "container/engine.h"

namespace canopy::container {

// `owner` is whose containers they are: what an earlier server of the same owner left is removed.
std::unique_ptr<Engine> make_docker_engine(std::filesystem::path socket, std::string owner);

// What is asked of Docker, as JSON.
std::string docker_container(const Plan& plan, const std::string& owner);

// The status as of waitpid() out of what Docker says when a container has ended. Where it says none, because
// its daemon has ended too, nobody knows how: it counts as killed.
int docker_status(std::string_view said);

}  // namespace canopy::container

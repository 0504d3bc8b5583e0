#pragma once
// Container functions: an image, as `docker save` or an OCI layout has it, and what runs in it.
//
//   per version     a folder: the image's layers, unpacked (images.h)
//   per function    a pool of containers (pool.h), started by its calls, stopped when they have nothing to do
//   per call        a request to the server in one of them, or a container of its own (execution.h)
//
// docs/containers.md says what users are promised; docs/decisions/0014-container-functions.md, why it is so.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "container/engine.h"
#include "container/images.h"
#include "exec/core.h"
#include "exec/runtime.h"

namespace canopy::container {

inline constexpr std::string_view runtime_name = "container";

struct RuntimeOptions {
  std::filesystem::path folder;  // For what is made of versions, and for the engine.
  FindCode find_code;
  std::size_t containers_max = 64;  // At once, of all functions.
  UnpackLimits unpack;
  // Which engine there is, asked when the first one is needed.
  //   unavailable  none; with what is missing, and how to get it
  std::function<Result<std::unique_ptr<Engine>>()> make_engine;
};

// Ends all its containers when it dies; no call runs then.
std::unique_ptr<exec::Runtime> make_runtime(RuntimeOptions options, const Clock& clock);

struct EngineChoice {
  std::string name = "auto";  // "runc", "docker", "off"
  std::string runc = "runc";
  std::string docker_socket = "/var/run/docker.sock";
};

// The engine of that name; of "auto" the first that works: runc, then Docker.
//   unavailable
Result<std::unique_ptr<Engine>> find_engine(const EngineChoice& choice, const std::filesystem::path& folder);

}  // namespace canopy::container

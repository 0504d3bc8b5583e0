#pragma once
// An engine whose containers are pairs of sockets and pipes: for tests of all that is above engines, without
// any.
//
// Threads: its owner's, with the keeper's work run on it too.

#include <memory>
#include <string>
#include <vector>

#include "container/engine.h"

namespace canopy::container {

// What the test sees of one container.
struct FakeContainer {
  Plan plan;
  bool listens = true;              // Else connect() fails.
  bool is_busy = false;             // It takes no connections for now.
  int called_port = 0;              // Of this machine's loopback, where we listen for it; 0: nowhere.
  std::vector<Descriptor> servers;  // The other ends of the connections that were made.
  Descriptor output;                // What it prints goes in here,
  Descriptor errors;                // or here.
  int look_count = 0;               // At its outputs.
  bool is_asked_to_stop = false;
  bool is_removed = false;

  // It ends.
  void end(End how);

  Descriptor end_signal;
  std::optional<End> ended;
};

class FakeEngine final : public Engine {
 public:
  std::string_view name() const override { return "fake"; }
  Result<void> check() override { return {}; }
  Result<void> add_image(const std::string& image, const std::filesystem::path&) override {
    images.push_back(image);
    return {};
  }
  void drop_image(const std::string& image) override { std::erase(images, image); }
  Result<std::unique_ptr<Started>> start(const Plan& plan) override;
  Result<std::size_t> remove_orphans() override { return 0; }

  std::optional<Error> failure;  // Of the next starts.
  bool listens = true;           // What is started from now on.
  std::vector<std::string> images;
  std::vector<std::shared_ptr<FakeContainer>> containers;  // All that were started, in order.
};

}  // namespace canopy::container

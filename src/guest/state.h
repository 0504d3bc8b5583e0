#pragma once
// What one call has beside its memory: open descriptors, files, environment, and how far it has read its
// input. A call that only reads its input and writes its output has none of it: everything is made when
// it is first asked for.
//
// Threads: belongs to its call.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "guest/descriptors.h"
#include "guest/host.h"
#include "guest/image.h"
#include "guest/tree.h"
#include "wasm/host.h"

namespace canopy::guest {

// What all calls share.
struct Setup {
  explicit Setup(GuestOptions given) : options(std::move(given)), images(options.load_file) {}

  const GuestOptions options;
  ImageCache images;
};

class State final : public wasm::GuestState {
 public:
  State(Setup& setup, const Function& function) : setup_(setup), function_(function) {}

  static State& of(wasm::Caller& caller) { return static_cast<State&>(caller.state()); }

  const Function& function() const { return function_; }
  const GuestOptions& options() const { return setup_.options; }

  // The call's own stream of that number, as long as no descriptor was ever changed; else none. Spares most
  // calls the table.
  Stream untouched_stream(std::uint32_t number) const;
  Descriptors& descriptors();
  // The node of a descriptor that is no stream.
  Node& node(Descriptor& descriptor, const Clock& clock);
  // A file of its own was ever made or changed.
  bool changed_files() const { return tree_ && tree_->changed(); }

  // As GuestOptions::make_extension makes it; null where it is not set, or was not made and `make` is false.
  wasm::GuestState* extension(bool make);

  const std::vector<std::string>& arguments();
  const std::vector<std::string>& environment(wasm::Caller& caller);

  std::uint64_t input_offset = 0;
  bool output_is_set = false;  // By more than standard output, which then goes to the log.
  // What a long random_get has left to fill when it goes on.
  std::uint32_t random_at = 0;
  std::uint32_t random_left = 0;

 private:
  void make_descriptors();

  Setup& setup_;
  const Function& function_;
  // The tree outlives its nodes.
  std::unique_ptr<Tree> tree_;
  std::unique_ptr<Descriptors> descriptors_;
  std::unique_ptr<wasm::GuestState> extension_;
  std::unique_ptr<std::vector<std::string>> arguments_;
  std::unique_ptr<std::vector<std::string>> environment_;
};

}  // namespace canopy::guest

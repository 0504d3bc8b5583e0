#include "guest/state.h"

#include <algorithm>
#include <utility>

#include "guest/environment.h"
#include "guest/host_io.h"

namespace canopy::guest {
namespace {

Descriptor make_stream(const GuestOptions& options, int number) {
  constexpr Stream streams[] = {Stream::input, Stream::output, Stream::log};
  Descriptor descriptor;
  descriptor.base = number == 0 ? rights::of_input : rights::of_output;
  if (options.local && options.local->own_streams) {
    descriptor.node = open_host_stream(number);
  } else {
    descriptor.stream = streams[number];
  }
  return descriptor;
}

Descriptor make_preopen(std::string name, std::unique_ptr<Node> node) {
  Descriptor descriptor;
  descriptor.node = std::move(node);
  descriptor.base = rights::of_folder;
  descriptor.inheriting = rights::all;
  descriptor.preopened_as = std::move(name);
  return descriptor;
}

}  // namespace

Stream State::untouched_stream(std::uint32_t number) const {
  if (descriptors_ || number > 2 || (setup_.options.local && setup_.options.local->own_streams)) {
    return Stream::none;
  }
  return number == 0 ? Stream::input : number == 1 ? Stream::output : Stream::log;
}

Descriptors& State::descriptors() {
  if (!descriptors_) make_descriptors();
  return *descriptors_;
}

void State::make_descriptors() {
  descriptors_ = std::make_unique<Descriptors>(function_.limits.open_files);
  for (int number = 0; number < 3; ++number) descriptors_->preopen(make_stream(setup_.options, number));
  if (!setup_.options.local) {
    descriptors_->preopen(make_preopen("/", nullptr));
    descriptors_->preopen(make_preopen(".", nullptr));
    return;
  }
  bool has_root = false;
  for (const MappedFolder& folder : setup_.options.local->folders) {
    // Each call has a description of its own, so that listings do not disturb each other.
    auto node = folder.node->open(".", {.read = true, .folder = true});
    if (node) descriptors_->preopen(make_preopen(folder.guest_path, *std::move(node)));
    has_root = has_root || folder.guest_path == "/";
  }
  if (!has_root) descriptors_->preopen(make_preopen("/", nullptr));
}

Node& State::node(Descriptor& descriptor, const Clock& clock) {
  if (!descriptor.node) {
    if (!tree_) {
      tree_ = std::make_unique<Tree>(setup_.images.image_of(function_), function_.limits.tmp_bytes, clock);
    }
    descriptor.node = tree_->open_root();
  }
  return *descriptor.node;
}

wasm::GuestState* State::extension(bool make) {
  if (!extension_ && make && setup_.options.make_extension) extension_ = setup_.options.make_extension();
  return extension_.get();
}

const std::vector<std::string>& State::arguments() {
  if (!arguments_) {
    arguments_ = std::make_unique<std::vector<std::string>>();
    if (setup_.options.local) {
      *arguments_ = setup_.options.local->arguments;
    } else {
      arguments_->push_back(function_.name.name);
    }
  }
  return *arguments_;
}

const std::vector<std::string>& State::environment(wasm::Caller& caller) {
  if (!environment_) {
    const bool is_request = !setup_.options.local;
    environment_ = std::make_unique<std::vector<std::string>>(
        make_environment(function_, is_request ? &caller.call() : nullptr, caller.clock()));
  }
  return *environment_;
}

}  // namespace canopy::guest

#pragma once
// What a worker of HyperFaaS tells of its instances: events in messages of gRPC, one behind the other, in
// pieces as they come.
//
// Threads: one.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/units.h"
#include "wire/hyperfaas.h"

namespace canopy::foreign {

class StatusReader {
 public:
  static constexpr std::uint64_t event_bytes_max = 64 * KiB;

  using OnEvent = std::function<void(const wire::InstanceEvent& event)>;

  // Hands over each event that is whole now, and keeps what there is of the next.
  //   invalid  it is none, or larger than one may be; nothing that comes later is read
  Result<void> put(std::string_view bytes, const OnEvent& on_event);

 private:
  std::string unread_;
  bool is_broken_ = false;
};

}  // namespace canopy::foreign

#pragma once
// What a function that was created there is here: namespace/<id>, whose image and settings stand in
// variables.
//
//   image not there yet   a function without code, which is looked for again with each call
//   image there           that function's code, with the limits of these settings
//   a newer image         the next call makes the next version of it
//   no image, but workers of HyperFaaS   a function without code whose calls these run
//
// So what was created is on the disk, and there after a restart.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/uuid.h"
#include "model/function.h"
#include "options/options.h"
#include "policy/access.h"
#include "store/catalog.h"
#include "wire/hyperfaas.h"

namespace canopy::hyperfaas {

// Where functions are of those who may go everywhere, or need no key; and those that images are found as.
inline constexpr std::string_view common_space = "hyperfaas";
// What the code of one is whose image is not there.
inline constexpr std::string_view no_code = "a function whose image is not there yet";

struct Registration {
  std::string image_tag;
  wire::LeafConfig config;
  bool operator==(const Registration&) const = default;
};

// Why it cannot be one; nothing where it can.
//   invalid
Result<void> check(const Registration& registration);

// Nothing where that function was not created so.
std::optional<Registration> registration_of(const Function& function);

Function make_unbound(FunctionName name, const Registration& registration);
// With the code and settings of `image`.
Function make_bound(FunctionName name, const Registration& registration, const Function& image,
                    const Options& options);
// On workers of HyperFaaS, which have the image: a function without code here.
Function make_elsewhere(FunctionName name, const Registration& registration);
bool is_elsewhere(const Function& function);
bool is_bound(const Function& function);
// Whether `function` was made from exactly that version of an image.
bool is_bound_to(const Function& function, const Function& image);

// How long without a call until none of its instances is left.
Duration idle_time(const wire::LeafConfig& config);

// Where a new one of whoever asks is put: as builders does; "" where there is none.
std::string space_for(const policy::Subject& subject);

// Among those that whoever asks may see; null for none.
std::shared_ptr<const Function> find_registered(const store::Snapshot& snapshot,
                                                const policy::Subject& subject, std::string_view id);
// Whether whoever asks may see what is in that namespace.
using Reaches = std::function<bool(std::string_view space)>;
std::shared_ptr<const Function> find_image(const store::Snapshot& snapshot, const Reaches& reaches,
                                           std::string_view tag);
// The image of one that is bound, while it is still there.
std::shared_ptr<const Function> find_bound_image(const store::Snapshot& snapshot, const Function& function);

}  // namespace canopy::hyperfaas

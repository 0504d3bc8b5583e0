#pragma once
// Which functions an image's tag may stand for.
//
//   hyperfaas-echo:latest      hyperfaas/echo, as HyperFaaS calls the images of its own functions; else …
//   demo/web:2                 demo/web
//   web                        default/web, hyperfaas/web
//   registry.org:5000/a/web@sha256:…   a/web, default/web, hyperfaas/web
//
// Version, digest and registry do not matter: the current version of the function is what there is.

#include <string_view>
#include <vector>

#include "model/function.h"

namespace canopy::hyperfaas {

inline constexpr std::size_t image_tag_bytes_max = 1024;

// The likeliest first; none where the tag is none.
std::vector<FunctionName> functions_of_image(std::string_view tag);

}  // namespace canopy::hyperfaas

#pragma once
// The pages for people. They hold all they need: nothing is loaded from elsewhere.

#include <string_view>

#include "net/http.h"

namespace canopy::api {

net::HttpResponse home_page(std::string_view program_version);  // GET /
net::HttpResponse docs_page();                                  // GET /docs: /openapi.json, made readable

}  // namespace canopy::api

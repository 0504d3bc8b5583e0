#pragma once
// Keeps other people's web pages out of a server that demands no keys. Such a server is open to whoever
// reaches it, and a browser on the same machine does so for any page that it shows.
//
//   a page of another site      Sec-Fetch-Site says so, or Origin and Host differ: it may change nothing
//   a name that its owner made  Host is a name of the public network: nothing at all, since the browser
//   lead to this machine        takes such a page for one of ours, and lets it read
//
// Calls of functions are not kept out: those are for pages, too. Clients that are no browsers say nothing of
// an origin, and ask for the address that they were given.

#include <optional>
#include <string_view>

#include "base/error.h"
#include "net/http.h"
#include "options/options.h"
#include "policy/access.h"

namespace canopy::api {

// A page of another site has something done here; `allowed` is the origin that may ("*": any).
bool is_of_other_site(const net::HttpRequest& request, std::string_view allowed);

// Whether `host`, as in the header Host, is a name that anybody could have bought.
bool is_public_name(std::string_view host);

// For requests that needed no key.
//   forbidden  a page of others asks
std::optional<Error> keep_out(const net::HttpRequest& request, const Options& options,
                              const policy::Place& place);

}  // namespace canopy::api

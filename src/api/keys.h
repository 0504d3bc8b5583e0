#pragma once
// Keys over HTTP. A key is shown in the answer to its making, and never again.

#include <optional>
#include <string>

#include "api/here.h"
#include "crypto/api_key.h"
#include "net/task.h"
#include "wire/json_writer.h"

namespace canopy::api {

// GET /v1/keys?user=. {"keys": […]}: one's own; an administrator's: those of that user, or all.
net::HttpResponse list_keys(const Here& here, const net::HttpRequest& request);

// POST /v1/keys {"label", "role", "namespaces", "expires": "30d", "user"}. 201 with the key. Nobody makes a
// key that may more than the one it is made with.
net::Task<net::HttpResponse> add_key(const Here& here, net::HttpExchange& exchange);

// DELETE /v1/keys/{id}. It opens nothing any more when this is answered.
net::Task<net::HttpResponse> remove_key(const Here& here, net::HttpExchange& exchange, std::string id);

// {"id", "user", "label", "role", "namespaces", "created", "expires"}, "key" where it is `shown`, and
// "warnings" where there are some.
void write_key(wire::JsonWriter& json, const Key& key, std::string_view user_name,
               const crypto::NewApiKey* shown = nullptr, const std::vector<std::string>& warnings = {});

// A draft of a key with that id and digest.
Key draft_key(const crypto::NewApiKey& fresh);

// "30d" from now; the epoch, which is never, for nothing.
//   invalid  no duration, or too long
Result<WallTime> read_expiry(const std::optional<std::string>& text, WallTime now);

}  // namespace canopy::api

#pragma once
// Idempotency keys: what one names, what it leads to, and what is said where it is used twice.
//
// Threads: any.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "model/durable.h"

namespace canopy::store {

// What a key names: SHA-256 over owner, namespace and key; and what the call asks for.
std::string key_digest(const DurableCall& call);
std::string request_digest(const DurableCall& call);

// What an idempotency key leads to.
struct KeyRow {
  std::uint64_t number = 0;
  std::uint64_t token = 0;
  std::string request;
};

// Sealed with a checksum.
std::string encode_key(const KeyRow& key);
// Nothing where it is damaged.
std::optional<KeyRow> decode_key(std::string_view bytes);

// Its key was used for a call that asks for something else.
Error key_conflict(const DurableCall& call);

}  // namespace canopy::store

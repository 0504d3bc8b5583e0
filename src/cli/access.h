#pragma once
// The verbs about who may do what: user, key, secret, audit.

#include "base/error.h"
#include "cli/verb.h"

namespace canopy::cli {

Result<int> add_user(Command& command, Terminal& terminal);
Result<int> set_user(Command& command, Terminal& terminal);
Result<int> remove_users(Command& command, Terminal& terminal);
Result<int> list_users(Command& command, Terminal& terminal);
Result<int> show_usage(Command& command, Terminal& terminal);

Result<int> create_key(Command& command, Terminal& terminal);
Result<int> revoke_keys(Command& command, Terminal& terminal);
Result<int> list_keys(Command& command, Terminal& terminal);

Result<int> set_secret(Command& command, Terminal& terminal);
Result<int> remove_secrets(Command& command, Terminal& terminal);
Result<int> list_secrets(Command& command, Terminal& terminal);

Result<int> show_audit(Command& command, Terminal& terminal);

// {"name": value} of "calls_per_minute=60", "code_bytes=10MiB" or "functions=none".
//   invalid  no such quota, or no number
Result<std::string> quotas_json(const std::vector<std::string>& words);

}  // namespace canopy::cli

#pragma once
// canopy cert: a small authority for servers that workers join, for these workers, and for balancers.

#include "cli/verb.h"

namespace canopy::cli {

// Which of the others to write.
Result<int> explain_certificates(Command& command, Terminal& terminal);
Result<int> make_authority(Command& command, Terminal& terminal);
Result<int> make_server_certificate(Command& command, Terminal& terminal);
Result<int> make_balancer_certificate(Command& command, Terminal& terminal);
Result<int> make_worker_certificate(Command& command, Terminal& terminal);

}  // namespace canopy::cli

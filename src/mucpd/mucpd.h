#pragma once
// MUCPD's API (docs/mucpd.md): users, their functions in JavaScript, jobs.
//
//   user      a namespace, and a function in it that stands for it (names.h)
//   function  a function of runtime js with the runner as its code and its source in a variable (runner.h)
//   job       a durable call
//   time      what the functions of the namespace have used since, of the server's own accounts
//
// Who may: by default whoever may use the server's own API, with the same keys; a user `alice` is then whose
// the namespace mucpd-alice is. Or everybody, where the operator says so.

#include <memory>

#include "api/protocol.h"
#include "options/options.h"

namespace canopy::mucpd {

// Null where the options say that it is not served.
std::unique_ptr<api::Protocol> make_protocol(const Options& options);

}  // namespace canopy::mucpd

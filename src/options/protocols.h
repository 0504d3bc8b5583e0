#pragma once
// The settings of other platforms' APIs, and what their own start scripts set.

#include <vector>

#include "options/options.h"

namespace canopy {

void add_protocol_rows(Options& options, std::vector<OptionRow>& rows);

// Variables of such a platform, where it is served to everybody: they give what was not said otherwise. Warns
// of what is open then.
//   invalid  one has no good value
Result<void> take_protocol_variables(const OptionInput& input, ParsedOptions& parsed);

// Whether what is said of them fits together.
//   invalid
Result<void> check_protocols(const Options& options);

// Whether HyperFaaS's database is one elsewhere that is asked, and not served here.
bool is_database_url(const Options& options);

}  // namespace canopy

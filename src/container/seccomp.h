#pragma once
// The system calls of a container as rules that its engine loads before its first program starts.

#include <string>

namespace canopy::container {

// A JSON object, in the words of the OCI's runtime specification, which are Docker's too.
std::string seccomp_rules();

}  // namespace canopy::container

#pragma once
// Who this process is, and how it stops being root.
//
// Threads: the only one of its process.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/error.h"

namespace canopy::wall {

struct User {
  std::string name;
  uid_t id = 0;
  gid_t group = 0;
  std::vector<gid_t> groups = {};  // All that it is in.
};

// By its name, or its number.
//   invalid  there is none, or it is root
Result<User> find_user(const std::string& name);

// Makes `folder` where it is missing, the user's and closed to others. One that is there has to be the user's
// with all that is in it: root gives nothing away that it did not make.
//   invalid      it, or something in it, is another's, with the command that changes it
//   unavailable  it cannot be made, or looked at
Result<void> prepare_folder(const std::filesystem::path& folder, const User& user);

// From now on this process is that user: no other groups, no capabilities, but the one to listen on low
// ports where it is asked for; what it starts has not even that. Nothing to do where it is that user
// already.
//   invalid      it is neither root nor that user
//   unavailable  the kernel refuses
Result<void> become(const User& user, bool keeps_low_ports);

// The first port that needs no right: 1024, if nobody changed it.
std::uint16_t first_free_port();

}  // namespace canopy::wall

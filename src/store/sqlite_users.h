#pragma once
// Users in tables of a database that others may share.
//
// Threads: as Users says; all that touches the database holds `mutex`.
// Life:    the database and its mutex outlive it.

#include <filesystem>
#include <memory>
#include <mutex>

#include "base/clock.h"
#include "base/error.h"
#include "store/secret_key.h"
#include "store/sqlite.h"
#include "store/users.h"

namespace canopy::store {

class TableUsers : public Users {
 public:
  // Shows what the tables hold now, after somebody else has changed them; without secrets that the key here
  // does not open, of which it tells in the log. With `mutex`.
  //   refused  a damaged row; what was shown is shown still
  virtual Result<void> reload() = 0;
};

// Reads what there is. For the time before anybody else uses the database.
//   refused  a damaged row; secrets whose key is missing or another
Result<std::unique_ptr<TableUsers>> open_users(Database& database, std::mutex& mutex,
                                               SecretKeyFile secret_key, const Clock& clock);

}  // namespace canopy::store

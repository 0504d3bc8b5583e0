#pragma once
// A catalog in tables, and its parts: for open_catalog(), whose tables are a file, and for redis_catalog.h,
// whose tables are a copy of what several servers share.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/catalog.h"
#include "store/code_files.h"
#include "store/data_folder.h"
#include "store/secret_key.h"
#include "store/sqlite.h"

namespace canopy::store {

class TableCatalog : public Catalog {
 public:
  // Changes tables, and names them.
  using Refresh = std::function<Result<std::vector<std::string>>(Database& database)>;

  // Lets somebody else at the tables, with no change of ours between, and then shows what they hold.
  //   as `change` says, and as open_catalog(); what was shown is shown still
  virtual Result<void> refresh(const Refresh& change) = 0;
};

struct CatalogParts {
  DataFolder folder;
  std::unique_ptr<CodeFiles> code;
  Database database;  // With its tables.
  SecretKeyFile secret_key;
  std::uint32_t versions_max = 20;
};

//   as open_catalog()
Result<std::unique_ptr<TableCatalog>> make_table_catalog(CatalogParts parts, const Clock& clock);

}  // namespace canopy::store

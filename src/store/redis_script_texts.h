#pragma once
// The scripts that have files of their own; for redis_scripts.cc.

namespace canopy::store {

extern const char* const lease_script;
extern const char* const catalog_read_script;
extern const char* const catalog_commit_script;
extern const char* const catalog_fold_script;
extern const char* const code_drop_script;

}  // namespace canopy::store

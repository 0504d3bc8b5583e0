#pragma once
// Deploying a function. The code is stored, validated and compiled before the catalog shows the version: who
// reads "201" can call it, and who reads an error has changed nothing.

#include <memory>
#include <string>
#include <vector>

#include "api/here.h"
#include "net/task.h"

namespace canopy::api {

// PUT /v1/functions/{ns}/{fn}. 201 new, 200 a new version, the same again or a dry run: the function as JSON.
//   refused      the code does not validate, link or compile: in full words
//   invalid      a manifest, setting or path that is none; more memory than a function may have here
//   exhausted    it is more than the quotas of its owner allow
//   unavailable  the disk is full, or too many deployments wait
net::Task<net::HttpResponse> put_function(const Here& here, net::HttpExchange& exchange, FunctionName name);

// POST /v1/functions/{ns}/{fn}/rollback, with {"version": N} or nothing. The function as JSON.
//   not_found, conflict  as Catalog::rollback()
//   exhausted            the version is more than the quotas of its owner allow
net::Task<net::HttpResponse> roll_back(const Here& here, net::HttpExchange& exchange, FunctionName name);

// DELETE /v1/functions/{ns}/{fn}. Its calls that run go on to their end.
net::Task<net::HttpResponse> remove_function(const Here& here, net::HttpExchange& exchange,
                                             FunctionName name);

// For other protocols, which print in their own words. Makes `draft` with `code` the next version of its
// name; it is compiled soon, or by the first call that comes before.
//   refused      the code is none, as far as a look at it tells
//   exhausted    a quota of the namespace's owner
//   invalid      a name, variable or limit that no call could be given
//   unavailable  the disk is full
net::Task<Result<std::shared_ptr<const Function>>> deploy_uncompiled(const Here& here, Function draft,
                                                                     std::string code);

// The same, but made ready before anybody sees it.
//   refused      also what does not compile or cannot be imported, in full words
net::Task<Result<std::shared_ptr<const Function>>> deploy_made(const Here& here, Function draft,
                                                               std::string code);

// The same with code that the catalog has already, named by its digest in `draft`.
net::Task<Result<std::shared_ptr<const Function>>> deploy_stored(const Here& here, Function draft);

// The same with code that is not to be looked at: nothing is made of it, before or after anybody sees it.
//   exhausted, unavailable
net::Task<Result<std::shared_ptr<const Function>>> deploy_unchecked(const Here& here, Function draft,
                                                                    std::string code);

// Removes those of `names` that are there.
//   unavailable
net::Task<Result<bool>> remove_functions(const Here& here, std::vector<FunctionName> names);

// The function as JSON, with the "url" that calls it: below the address that the client used.
std::string function_json(const Function& function, const Here& here, const net::HttpRequest& request);

// Reads {"version": N}; 0 for an empty body.
//   invalid
Result<std::uint32_t> read_rollback(std::string_view body);

}  // namespace canopy::api

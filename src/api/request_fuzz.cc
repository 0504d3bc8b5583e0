// The first line is the query of a request, the second its Authorization, the rest a body of JSON: what
// reads them takes what it promises, or says what is wrong.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/auth.h"
#include "api/fields.h"
#include "api/keys.h"
#include "api/parameters.h"
#include "api/quotas.h"
#include "base/check.h"
#include "crypto/api_key.h"

namespace {

using namespace canopy;

template <class T>
void check(const Result<T>& result) {
  if (!result) CANOPY_CHECK(result.error().code == Code::invalid && !result.error().message.empty());
}

void read_query(std::string_view query) {
  const auto parameters = api::Parameters::read(query, {"a", "b", "limit", "wait"});
  check(parameters);
  if (!parameters) return;
  for (const std::string_view name : {"a", "b", "limit", "wait", "never"}) {
    check(parameters->function(name));
    check(parameters->call(name));
    check(parameters->state(name));
    check(parameters->flag(name));
    const auto count = parameters->count(name, 1, 100);
    check(count);
    if (count && *count) CANOPY_CHECK(**count >= 1 && **count <= 100);
    const auto duration = parameters->duration(name, std::chrono::hours(1));
    check(duration);
    if (duration && *duration) {
      CANOPY_CHECK(**duration >= Duration::zero() && **duration <= std::chrono::hours(1));
    }
  }
}

void read_body(std::string_view body) {
  const auto fields = api::Fields::read(body, {"a", "b", "name", "quotas", "expires"});
  if (!fields) return;
  for (const std::string_view name : {"a", "b", "name", "quotas", "expires", "never"}) {
    check(fields->text(name));
    check(fields->flag(name));
    check(fields->texts(name));
    const auto count = fields->count(name);
    check(count);
    if (count && *count) CANOPY_CHECK(**count <= 9007199254740992U);
    const auto object = fields->object(name);
    check(object);
    Quotas quotas;
    if (object && *object) check(api::read_quotas(**object, quotas));
  }
  if (const auto text = fields->text("expires")) {
    const WallTime now{std::chrono::seconds(1'800'000'000)};
    const auto until = api::read_expiry(*text, now);
    check(until);
    if (until && *text) CANOPY_CHECK(*until > now);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto take_line = [&rest] {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return line;
  };
  read_query(take_line());
  const std::string_view authorization = take_line();
  if (api::shows_key(authorization)) {
    CANOPY_CHECK(authorization.find(crypto::api_key_prefix) != std::string_view::npos);
  }
  read_body(rest);
  return 0;
}

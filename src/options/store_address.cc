#include "options/store_address.h"

#include <charconv>
#include <optional>

#include "base/hex.h"
#include "base/words.h"

namespace canopy {
namespace {

constexpr std::uint32_t database_max = 1'000'000;

template <class Number>
bool read_number(std::string_view digits, Number& number) {
  const char* const end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, number);
  return !digits.empty() && read.ec == std::errc{} && read.ptr == end;
}

std::optional<std::string> read_percent(std::string_view text) {
  std::string read;
  while (!text.empty()) {
    if (text.front() != '%') {
      read += text.front();
      text.remove_prefix(1);
      continue;
    }
    const auto high = text.size() < 3 ? std::nullopt : hex_value(lower(text[1]));
    const auto low = text.size() < 3 ? std::nullopt : hex_value(lower(text[2]));
    if (!high || !low) return std::nullopt;
    read += static_cast<char>(*high << 4U | *low);
    text.remove_prefix(3);
  }
  return read;
}

}  // namespace

Result<StoreAddress> parse_store(std::string_view text) {
  constexpr std::string_view plain_scheme = "redis://";
  constexpr std::string_view tls_scheme = "rediss://";
  // What is wrong is not shown: a password may be in it.
  const auto refuse_store = [](std::string_view what) {
    return fail(Code::invalid,
                "--store: the " + std::string(what) +
                    " is not right; write redis://[[user]:password@]host[:port][/database], or "
                    "rediss:// and the same for one in TLS");
  };
  StoreAddress address;
  address.tls = text.starts_with(tls_scheme);
  const std::string_view scheme = address.tls ? tls_scheme : plain_scheme;
  if (!text.starts_with(scheme)) return refuse_store("address");
  text.remove_prefix(scheme.size());
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    const std::string_view who = text.substr(0, at);
    const std::size_t colon = who.find(':');
    if (colon == std::string_view::npos) return refuse_store("password");
    const auto user = read_percent(who.substr(0, colon));
    const auto password = read_percent(who.substr(colon + 1));
    if (!user || !password || password->empty()) return refuse_store("password");
    address.user = *user;
    address.password = *password;
    text.remove_prefix(at + 1);
  }
  if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const bool is_one = digits.empty() || read_number(digits, address.database);
    if (!is_one || address.database > database_max) return refuse_store("database");
    text = text.substr(0, slash);
  }
  if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos && !text.ends_with(']')) {
    if (!read_number(text.substr(colon + 1), address.port) || address.port == 0) return refuse_store("port");
    text = text.substr(0, colon);
  }
  const bool in_brackets = text.starts_with('[') && text.ends_with(']');
  if (in_brackets) text = text.substr(1, text.size() - 2);
  if (text.empty() || in_brackets != (text.find(':') != std::string_view::npos)) return refuse_store("host");
  address.host = text;
  return address;
}

std::string without_password(std::string_view text) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos) return std::string(text);
  const std::size_t scheme = text.find("://");
  const std::size_t who = scheme == std::string_view::npos || scheme > at ? 0 : scheme + 3;
  const std::size_t colon = text.substr(0, at).find(':', who);
  const std::size_t from = colon == std::string_view::npos ? who : colon + 1;
  return std::string(text.substr(0, from)) + "***" + std::string(text.substr(at));
}

}  // namespace canopy

#include "container/seccomp.h"

#include <array>
#include <cstdint>
#include <string_view>

#include <sys/socket.h>

#include "container/system_calls.h"
#include "wire/image.h"
#include "wire/json_writer.h"

namespace canopy::container {
namespace {

using wire::JsonWriter;

constexpr int not_permitted = 1;     // EPERM
constexpr int not_implemented = 38;  // ENOSYS: the C library then asks for clone.

// What is in its own network namespace. Other kinds of sockets lead out of it, as AF_VSOCK does, or into
// parts of the kernel that no server needs.
constexpr std::array<int, 4> socket_families = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

template <class Words>
void write_words(JsonWriter& json, std::string_view key, const Words& words) {
  json.key(key);
  json.begin_array();
  for (const std::string_view word : words) json.value(word);
  json.end_array();
}

void write_rule(JsonWriter& json, std::string_view name, std::string_view action) {
  json.begin_object();
  write_words(json, "names", std::array{name});
  json.member("action", action);
}

// What the first argument has to be.
void write_argument(JsonWriter& json, std::string_view op, std::uint64_t value, std::uint64_t value_two) {
  json.key("args");
  json.begin_array();
  json.begin_object();
  json.member("index", 0);
  json.member("value", value);
  json.member("valueTwo", value_two);
  json.member("op", op);
  json.end_object();
  json.end_array();
}

}  // namespace

std::string seccomp_rules() {
  JsonWriter json;
  json.begin_object();
  json.member("defaultAction", "SCMP_ACT_ERRNO");
  json.member("defaultErrnoRet", not_permitted);
  const bool is_arm = wire::image_architecture() == "arm64";
  write_words(json, "architectures",
              is_arm ? std::array{"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"}
                     : std::array{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"});
  json.key("syscalls");
  json.begin_array();
  json.begin_object();
  write_words(json, "names", allowed_system_calls());
  json.member("action", "SCMP_ACT_ALLOW");
  json.end_object();
  // Processes and threads, but no new namespaces.
  write_rule(json, "clone", "SCMP_ACT_ALLOW");
  write_argument(json, "SCMP_CMP_MASKED_EQ", namespace_flags, 0);
  json.end_object();
  write_rule(json, "clone3", "SCMP_ACT_ERRNO");
  json.member("errnoRet", not_implemented);
  json.end_object();
  for (const int family : socket_families) {
    write_rule(json, "socket", "SCMP_ACT_ALLOW");
    write_argument(json, "SCMP_CMP_EQ", static_cast<std::uint64_t>(family), 0);
    json.end_object();
  }
  // Of other families it makes sockets too.
  write_rule(json, "socketpair", "SCMP_ACT_ALLOW");
  write_argument(json, "SCMP_CMP_EQ", AF_UNIX, 0);
  json.end_object();
  json.end_array();
  json.end_object();
  return json.take_text();
}

}  // namespace canopy::container

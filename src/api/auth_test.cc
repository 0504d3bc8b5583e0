// Who is let in where: every route of the API, asked with every kind of key.

#include "api/auth.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include "api/live_server.h"
#include "api/openapi.h"
#include "api/people.h"

namespace canopy::api {
namespace {

struct Door {
  std::string method;
  std::string path;  // As the description has it.
  std::string text() const { return method + " " + path; }
};

// Every route that the description of the API names.
std::vector<Door> all_doors() {
  const auto api = boost::json::parse(openapi_json("test"));
  const std::set<std::string> methods = {"get", "put", "post", "patch", "delete", "options", "head", "trace"};
  std::vector<Door> doors;
  for (const auto& path : api.at("paths").as_object()) {
    for (const auto& member : path.value().as_object()) {
      std::string method(member.key());
      if (!methods.contains(method)) continue;
      const auto& operation = member.value().as_object();  // What demands a key can be 401, and says so.
      EXPECT_TRUE(operation.contains("security") || operation.at("responses").as_object().contains("default"))
          << method << " " << path.key();
      for (char& c : method) c = static_cast<char>(std::toupper(c));
      doors.push_back({std::move(method), std::string(path.key())});
    }
  }
  return doors;
}

const std::set<std::string> open_doors = {"/healthz", "/readyz", "/openapi.json", "/docs", "/", "/v1/login"};
// What a key of the role caller may ask; with its own namespace.
const std::set<std::string> caller_doors = {"/function/{namespace}/{name}",
                                            "/async-function/{namespace}/{name}",
                                            "POST /v1/functions/{namespace}/{name}/calls",
                                            "/v1/calls/{id}",
                                            "/v1/calls/{id}/result",
                                            "/v1/quotas",
                                            "GET /v1/users/{name}"};
const std::set<std::string> admin_doors = {"/v1/users", "/v1/audit",    "/v1/quotas/{user}", "/v1/nodes",
                                           "/metrics",  "/debug/state", "/v1/dispatch"};

std::string filled(std::string path, const std::map<std::string, std::string>& values) {
  for (const auto& [name, value] : values) {
    const std::string mark = "{" + name + "}";
    if (const auto at = path.find(mark); at != std::string::npos) path.replace(at, mark.size(), value);
  }
  EXPECT_EQ(path.find('{'), std::string::npos) << path << " has a parameter this test does not know";
  return path;
}

class Access : public testing::Test {
 protected:
  Access() {
    admin = add_person(*live.catalog, "root", Role::admin);
    bob = add_person(*live.catalog, "bob", Role::developer);
    alice = add_person(*live.catalog, "alice", Role::developer);
    EXPECT_EQ(live.request("PUT", "/v1/functions/bob/echo", "echo", with(bob, "application/wasm")).status,
              201);
  }

  static LiveServer::Headers with(const std::string& key, const std::string& type = {}) {
    LiveServer::Headers headers;
    if (!key.empty()) headers.push_back({"Authorization", "Bearer " + key});
    if (!type.empty()) headers.push_back({"Content-Type", type});
    return headers;
  }

  // Of bob's things, unless said otherwise.
  net::HttpClientResponse knock(const Door& door, const std::string& key,
                                std::map<std::string, std::string> values = {}) const {
    values.insert({{"namespace", "bob"},
                   {"name", door.path.starts_with("/v1/secrets") ? "TOKEN"
                            : door.path.starts_with("/v1/users") ? "bob"
                                                                 : "echo"},
                   {"id", door.path.starts_with("/v1/keys") ? "0123456789abcdef" : std::string(32, 'a')},
                   {"user", "bob"}});
    if (door.path == "/v1/events") values["namespace"] = "bob";
    const std::string path = filled(door.path, values);
    // Streams would never end; a refused one is answered before it begins.
    return live.request(door.path == "/v1/events" ? "HEAD" : door.method, path, "", with(key));
  }

  LiveServer live{[](Options& options) { options.auth = "on"; }};
  std::string admin;
  std::string bob;
  std::string alice;
};

TEST_F(Access, WithoutAKeyNothingOpensButWhatIsEverybodys) {
  for (const Door& door : all_doors()) {
    const auto response = knock(door, "");
    if (open_doors.contains(door.path)) {
      EXPECT_NE(response.status, 401) << door.text();
      continue;
    }
    EXPECT_EQ(response.status, 401) << door.text() << ": " << response.body;
    EXPECT_EQ(response.header("WWW-Authenticate"), "Bearer realm=\"canopy\"") << door.text();
  }
  EXPECT_EQ(live.get("/v1/no/such/path").status, 401);
}

TEST_F(Access, AKeyThatIsNoneOrGoneOpensNothing) {
  Key expired = person_key(*live.catalog, "bob");
  expired.expires = system_clock().wall_now() - std::chrono::seconds(1);
  const std::string old = add_person_key(*live.catalog, expired);
  const std::string revoked = add_person_key(*live.catalog, person_key(*live.catalog, "bob"));
  EXPECT_EQ(live.get("/v1/functions", with(revoked)).status, 200);
  EXPECT_EQ(live.request("DELETE", "/v1/keys/" + revoked.substr(4, 16), "", with(bob)).status, 200);
  std::string changed = bob;
  changed.back() = changed.back() == '0' ? '1' : '0';
  for (const std::string& bad :
       {old, revoked, changed, std::string("nonsense"), bob.substr(0, 84), bob + "0"}) {
    for (const Door& door : all_doors()) {
      if (open_doors.contains(door.path)) continue;
      EXPECT_EQ(knock(door, bad).status, 401) << door.text();
    }
  }
  EXPECT_EQ(live.get("/v1/functions", {{"Authorization", "Basic " + bob}}).status, 401);
  EXPECT_EQ(live.get("/v1/functions", {{"Authorization", "bearer " + bob}}).status, 200);
}

TEST_F(Access, ACallerCallsAndNoMore) {
  Key draft = person_key(*live.catalog, "bob");
  draft.role = Role::caller;
  const std::string caller = add_person_key(*live.catalog, draft);
  for (const Door& door : all_doors()) {
    if (open_doors.contains(door.path)) continue;
    const int status = knock(door, caller).status;
    if (caller_doors.contains(door.path) || caller_doors.contains(door.text())) {
      EXPECT_NE(status, 401) << door.text();
      EXPECT_NE(status, 403) << door.text();
    } else {
      EXPECT_EQ(status, 403) << door.text();
    }
  }
}

TEST_F(Access, ADeveloperIsNoAdministrator) {
  for (const Door& door : all_doors()) {
    const int status = knock(door, bob).status;
    if (admin_doors.contains(door.path)) {
      EXPECT_EQ(status, 403) << door.text();
    } else if (door.method != "DELETE" && door.method != "PATCH") {
      EXPECT_NE(status, 403) << door.text();
    }
    EXPECT_NE(status, 401) << door.text();
    EXPECT_NE(status, 500) << door.text();
  }
}

// Whatever belongs to another user is answered word for word as what is not there.
TEST_F(Access, WhatIsAnothersIsAsIfItWereNotThere) {
  ASSERT_EQ(live.request("PUT", "/v1/secrets/bob/TOKEN", "s", with(bob)).status, 201);
  const auto called = live.request("POST", "/function/bob/echo", "x", with(bob));
  ASSERT_EQ(called.status, 200);
  const auto durable = live.request("POST", "/async-function/bob/echo", "x", with(bob));
  ASSERT_EQ(durable.status, 202);
  const std::string kept(durable.header("X-Call-Id"));
  const auto ended = live.get("/v1/calls/" + kept + "?wait=30s", with(bob));
  ASSERT_EQ(ended.status, 200) << ended.body;
  const std::string call(called.header("X-Call-Id"));
  const std::string key = bob.substr(4, 16);
  for (const Door& door : all_doors()) {
    if (open_doors.contains(door.path) || door.path.find('{') == std::string::npos) continue;
    const bool of_calls = door.path.starts_with("/v1/calls/");
    const bool of_keys = door.path.starts_with("/v1/keys/");
    const std::string foreign = of_calls ? call : of_keys ? key : "bob";
    const std::string absent = of_calls ? std::string(32, 'b') : of_keys ? std::string(16, 'b') : "nil";
    std::map<std::string, std::string> there = {{"namespace", "bob"}, {"user", "bob"}};
    std::map<std::string, std::string> gone = {{"namespace", "nil"}, {"user", "nil"}};
    if (of_calls || of_keys) there["id"] = foreign, gone["id"] = absent;
    if (door.path.starts_with("/v1/users")) there["name"] = "bob", gone["name"] = "nil";
    const auto one = knock(door, alice, there);
    if (of_calls) {
      auto of_kept = knock(door, alice, {{"id", kept}});
      for (std::size_t at = 0; (at = of_kept.body.find(kept, at)) != std::string::npos;)
        of_kept.body.replace(at, kept.size(), call);
      EXPECT_EQ(of_kept.status, one.status) << door.text();
      EXPECT_EQ(of_kept.body, one.body) << door.text();
    }
    auto other = knock(door, alice, gone);
    std::size_t at = 0;
    while ((at = other.body.find(absent, at)) != std::string::npos)
      other.body.replace(at, absent.size(), foreign);
    EXPECT_EQ(one.status, other.status) << door.text();
    EXPECT_EQ(one.body, other.body) << door.text();
    if (admin_doors.contains(door.path)) continue;
    if (door.text() == "GET /v1/secrets/{namespace}" || door.text() == "GET /v1/functions/{namespace}") {
      EXPECT_EQ(one.status, 200) << door.text();
      EXPECT_EQ(one.body.find("TOKEN"), std::string::npos);
      EXPECT_EQ(one.body.find("echo"), std::string::npos);
    } else if (door.path.ends_with("/retry") || door.path.starts_with("/async-function")) {
      EXPECT_GE(one.status, 400) << door.text();
    } else {
      EXPECT_EQ(one.status, 404) << door.text() << one.body;
    }
  }
  for (const std::string& id : {call, kept}) {
    EXPECT_EQ(live.request("DELETE", "/v1/calls/" + id, "", with(alice)).status, 404);
    for (const char* what : {"", "/logs", "?wait=30s"}) {
      auto headers = with(alice);
      headers.push_back({"Accept", "text/event-stream"});
      EXPECT_EQ(live.get("/v1/calls/" + id + what, headers).status, 404) << what;
    }
  }
  EXPECT_EQ(live.get("/v1/calls/" + kept + "/result", with(bob)).body, "x");
}

TEST_F(Access, ListsShowOnesOwn) {
  ASSERT_EQ(live.request("PUT", "/v1/functions/alice/mine", "echo", with(alice, "application/wasm")).status,
            201);
  ASSERT_EQ(live.request("POST", "/function/bob/echo", "x", with(bob)).status, 200);
  ASSERT_EQ(live.request("POST", "/function/alice/mine", "x", with(alice)).status, 200);
  for (const char* list : {"/v1/functions", "/v1/calls", "/v1/usage", "/v1/keys"}) {
    const auto response = live.get(list, with(alice));
    EXPECT_EQ(response.status, 200) << list;
    EXPECT_EQ(response.body.find("bob"), std::string::npos) << list << response.body;
    EXPECT_NE(response.body.find("alice"), std::string::npos) << list << response.body;
    const auto all = live.get(list, with(admin));
    EXPECT_NE(all.body.find("bob"), std::string::npos) << list << all.body;
    EXPECT_NE(all.body.find("alice"), std::string::npos) << list << all.body;
  }
}

TEST_F(Access, AKeyForOneNamespaceReachesNoOther) {
  const auto more = [](User& user) -> Result<void> {
    user.spaces = {"bob", "shop"};
    return {};
  };
  ASSERT_TRUE(live.catalog->users().change_user("bob", more, "", {}));
  ASSERT_EQ(live.request("PUT", "/v1/functions/shop/echo", "echo", with(bob, "application/wasm")).status,
            201);
  const auto made =
      live.post("/v1/keys", R"({"namespaces":["shop"],"label":"shop's","role":"caller"})", with(bob));
  ASSERT_EQ(made.status, 201) << made.body;
  const auto json = boost::json::parse(made.body);
  const std::string key(json.at("key").as_string());
  EXPECT_EQ(live.post("/function/shop/echo", "hi", with(key)).body, "hi");
  EXPECT_EQ(live.post("/function/bob/echo", "hi", with(key)).status, 404);
  EXPECT_EQ(live.post("/v1/keys", R"({"namespaces":["alice"]})", with(bob)).status, 404);
  EXPECT_EQ(live.post("/v1/keys", R"({"role":"admin"})", with(bob)).status, 403);
  EXPECT_EQ(live.post("/v1/keys", R"({"user":"alice"})", with(bob)).status, 404);
}

TEST_F(Access, NoFunctionSeesTheKeyThatCallsIt) {
  ASSERT_EQ(live.request("PUT", "/v1/functions/bob/show", "show", with(bob, "application/wasm")).status, 201);
  auto headers = with(admin);
  headers.push_back({"X-Other", "seen"});
  const auto response = live.request("POST", "/function/bob/show", "", headers);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body.find("cnp_"), std::string::npos) << response.body;
  EXPECT_NE(response.body.find("seen"), std::string::npos) << response.body;
}

TEST_F(Access, ALargeBodyIsRefusedBeforeItIsRead) {
  const std::string large(1 << 20, 'x');
  EXPECT_EQ(live.request("PUT", "/v1/functions/bob/echo", large, with("", "application/wasm")).status, 401);
}

TEST_F(Access, ADisabledUserIsLockedOutAtOnce) {
  EXPECT_EQ(live.get("/v1/functions", with(bob)).status, 200);
  EXPECT_EQ(live.request("PATCH", "/v1/users/bob", R"({"disabled":true})", with(admin)).status, 200);
  EXPECT_EQ(live.get("/v1/functions", with(bob)).status, 401);
  EXPECT_EQ(live.request("PATCH", "/v1/users/bob", R"({"disabled":false})", with(admin)).status, 200);
  EXPECT_EQ(live.get("/v1/functions", with(bob)).status, 200);
}

TEST(Doorman, LetsAKeyInUntilItsEndAndNoLonger) {
  FakeClock clock;
  const auto catalog = store::make_memory_catalog(clock);
  add_person(*catalog, "bob", Role::developer);
  Key draft = person_key(*catalog, "bob");
  draft.expires = clock.wall_now() + std::chrono::hours(1);
  const std::string key = add_person_key(*catalog, draft);
  Doorman doorman(catalog->users(), {.mode = policy::Mode::on}, clock);
  net::HttpRequest request;
  const std::string value = "Bearer " + key;
  request.headers.push_back({"Authorization", value});

  const auto who = doorman.identify(request);
  ASSERT_TRUE(who) << who.error().message;
  clock.advance(std::chrono::hours(1) - Duration(1));
  EXPECT_TRUE(doorman.is_still(**who));
  EXPECT_TRUE(doorman.identify(request));
  clock.advance(Duration(1));
  EXPECT_FALSE(doorman.is_still(**who)) << "what is followed with it ends";
  const auto late = doorman.identify(request);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::unauthorized);
  EXPECT_NE(late.error().message.find("has expired"), std::string::npos) << late.error().message;
}

// What each door asks for, once more and by hand: who changes need_of() says so here as well.
struct Asked {
  std::string_view door;
  policy::Need need;
};
using policy::Reach;
constexpr policy::Need for_everybody{.role = Role::caller, .reach = Reach::everybody};
constexpr policy::Need callers_space{.role = Role::caller, .reach = Reach::space};
constexpr policy::Need callers_own{.role = Role::caller, .reach = Reach::own};
constexpr policy::Need developers_space{.role = Role::developer, .reach = Reach::space};
constexpr policy::Need developers_own{.role = Role::developer, .reach = Reach::own};
constexpr policy::Need admins{.role = Role::admin, .reach = Reach::server};
constexpr auto all_asked = std::to_array<Asked>({
    {"GET /function/{namespace}/{name}", callers_space},
    {"POST /function/{namespace}/{name}", callers_space},
    {"PUT /function/{namespace}/{name}", callers_space},
    {"PATCH /function/{namespace}/{name}", callers_space},
    {"DELETE /function/{namespace}/{name}", callers_space},
    {"OPTIONS /function/{namespace}/{name}", callers_space},
    {"HEAD /function/{namespace}/{name}", callers_space},
    {"TRACE /function/{namespace}/{name}", callers_space},
    {"POST /async-function/{namespace}/{name}", callers_space},
    {"GET /v1/calls", developers_own},
    {"GET /v1/calls/{id}", callers_own},
    {"DELETE /v1/calls/{id}", callers_own},
    {"GET /v1/calls/{id}/result", callers_own},
    {"POST /v1/calls/{id}/retry", developers_own},
    {"GET /v1/calls/{id}/logs", developers_own},
    {"GET /v1/functions", developers_own},
    {"GET /v1/functions/{namespace}", developers_own},
    {"GET /v1/functions/{namespace}/{name}", developers_space},
    {"PUT /v1/functions/{namespace}/{name}", developers_space},
    {"DELETE /v1/functions/{namespace}/{name}", developers_space},
    {"GET /v1/functions/{namespace}/{name}/versions", developers_space},
    {"POST /v1/functions/{namespace}/{name}/rollback", developers_space},
    {"POST /v1/functions/{namespace}/{name}/calls", callers_space},
    {"GET /v1/functions/{namespace}/{name}/logs", developers_space},
    {"GET /v1/events", developers_own},
    {"GET /healthz", for_everybody},
    {"GET /readyz", for_everybody},
    {"GET /metrics", admins},
    {"GET /debug/state", admins},
    {"GET /v1/nodes", admins},
    {"GET /openapi.json", for_everybody},
    {"GET /docs", for_everybody},
    {"GET /", for_everybody},
    {"GET /v1/users", admins},
    {"POST /v1/users", admins},
    {"GET /v1/users/{name}", callers_own},
    {"PATCH /v1/users/{name}", developers_own},
    {"DELETE /v1/users/{name}", developers_own},
    {"GET /v1/keys", developers_own},
    {"POST /v1/keys", developers_own},
    {"DELETE /v1/keys/{id}", developers_own},
    {"POST /v1/login", for_everybody},
    {"GET /v1/quotas", callers_own},
    {"GET /v1/quotas/{user}", admins},
    {"PUT /v1/quotas/{user}", admins},
    {"GET /v1/usage", developers_own},
    {"GET /v1/secrets", developers_own},
    {"GET /v1/secrets/{namespace}", developers_own},
    {"PUT /v1/secrets/{namespace}/{name}", developers_space},
    {"DELETE /v1/secrets/{namespace}/{name}", developers_space},
    {"GET /v1/audit", admins},
    {"GET /v1/dispatch", admins},
    {"PUT /v1/dispatch", admins},
});

// With keys of each role, of whoever owns the namespace and of somebody else: each door opens, refuses, or is
// not there, as the table says.
TEST_F(Access, EachDoorAsksForWhatTheTableSays) {
  std::map<Role, std::string> own;
  std::map<Role, std::string> foreign;
  for (const Role role : {Role::caller, Role::developer}) {
    for (auto& [name, keys] : {std::pair("bob", &own), std::pair("alice", &foreign)}) {
      Key draft = person_key(*live.catalog, name);
      draft.role = role;
      keys->emplace(role, add_person_key(*live.catalog, draft));
    }
  }
  for (const Door& door : all_doors()) {
    const auto at = std::ranges::find(all_asked, door.text(), &Asked::door);
    ASSERT_NE(at, all_asked.end()) << door.text() << " is not in the table";
    const auto route = wire::parse_route(
        door.method,
        filled(door.path, {{"namespace", "bob"},
                           {"name", "echo"},
                           {"user", "bob"},
                           {"id", std::string(door.path.starts_with("/v1/keys") ? 16 : 32, 'a')}}));
    ASSERT_TRUE(route) << door.text() << ": " << route.error().message;
    const policy::Need need = need_of(route->target, door.method);
    EXPECT_EQ(need.role, at->need.role) << door.text();
    EXPECT_EQ(need.reach, at->need.reach) << door.text();
    if (need.reach == Reach::everybody) continue;
    for (const auto& [role, key] : foreign) {
      const int status = knock(door, key).status;
      if (need.reach == Reach::space) {
        EXPECT_EQ(status, 404) << door.text() << " with a foreign key of a " << name(role);
      } else if (role < need.role) {
        EXPECT_EQ(status, 403) << door.text() << " with a foreign key of a " << name(role);
      }
    }
    for (const auto& [role, key] : own) {
      // What goes away, or opens nothing any more, would be missed by the doors that follow.
      if (role >= need.role && (door.method == "DELETE" || door.method == "PATCH")) continue;
      const int status = knock(door, key).status;
      if (role < need.role) {
        EXPECT_EQ(status, 403) << door.text() << " with a key of a " << name(role);
      } else {
        EXPECT_NE(status, 403) << door.text() << " with a key of a " << name(role);
        EXPECT_NE(status, 401) << door.text() << " with a key of a " << name(role);
      }
    }
  }
}

TEST(NeedOf, IsForAdministratorsWhereNothingIsSaid) {
  const policy::Need need = need_of(static_cast<wire::Target>(250), "GET");
  EXPECT_EQ(need.role, Role::admin);
  EXPECT_EQ(need.reach, policy::Reach::server);
}

}  // namespace
}  // namespace canopy::api

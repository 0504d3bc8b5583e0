// Users, keys, quotas, secrets, usage and the audit log over HTTP.

#include <future>
#include <string>

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include "api/live_answers.h"
#include "api/live_server.h"
#include "api/login_gate.h"
#include "api/people.h"

namespace canopy::api {
namespace {

using std::chrono::seconds;
using Json = boost::json::value;

LiveServer::Headers with(const std::string& key, const std::string& type = {}) {
  LiveServer::Headers headers{{"Authorization", "Bearer " + key}};
  if (!type.empty()) headers.push_back({"Content-Type", type});
  return headers;
}

std::string key_of(const net::HttpClientResponse& response) {
  const Json json = boost::json::parse(response.body);
  const Json& key = json.at("key");
  return std::string((key.is_object() ? key.at("key") : key).as_string());
}

TEST(OpenServer, AsksForNoKeyUntilThereIsAUser) {
  const LiveServer live;
  EXPECT_TRUE(live.server->new_admin_key().empty());
  EXPECT_EQ(live.deploy("demo/echo", "echo").status, 201);
  EXPECT_EQ(live.post("/function/demo/echo", "hi").body, "hi");
  EXPECT_EQ(live.get("/v1/users").body, "{\"users\":[],\"next\":null}\n");
  EXPECT_EQ(live.get("/v1/quotas").status, 404);

  const auto not_yet = live.post("/v1/users", R"({"name":"bob","role":"developer"})");
  EXPECT_EQ(not_yet.status, 409);
  EXPECT_TRUE(has(not_yet, "the first user must be an administrator")) << not_yet.body;
  EXPECT_EQ(live.post("/v1/users", R"({"name":"root","key":false})").status, 400);
  const auto made = live.post("/v1/users", R"({"name":"root","role":"admin"})");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(live.post("/function/demo/echo", "hi").status, 401);
  EXPECT_EQ(live.post("/function/demo/echo", "hi", with(key_of(made))).body, "hi");
}

TEST(OpenServer, StaysOpenWhereThatIsSaid) {
  const LiveServer live([](Options& options) { options.auth = "off"; });
  add_person(*live.catalog, "root", Role::admin);
  EXPECT_EQ(live.get("/v1/functions").status, 200);
}

TEST(FirstStart, MakesAnAdministratorAndShowsTheKeyOnce) {
  const LiveServer live([](Options& options) { options.auth = "on"; });
  const std::string key = live.server->new_admin_key();
  ASSERT_EQ(key.size(), crypto::api_key_size);
  EXPECT_EQ(live.get("/v1/users").status, 401);
  const auto users = live.get("/v1/users", with(key));
  EXPECT_TRUE(has(users, R"("name":"admin","role":"admin")")) << users.body;
  EXPECT_FALSE(has(live.get("/v1/keys", with(key)), key));
}

class Api : public testing::Test {
 protected:
  Api() : admin(live.server->new_admin_key()), bob(add_person(*live.catalog, "bob", Role::developer)) {}

  net::HttpClientResponse deploy(const std::string& name, const std::string& code, const std::string& key) {
    return live.request("PUT", "/v1/functions/" + name, code, with(key, "application/wasm"));
  }
  net::HttpClientResponse quota(const std::string& json) {
    return live.request("PUT", "/v1/quotas/bob", json, with(admin));
  }

  LiveServer live{[](Options& options) { options.auth = "on"; }};
  std::string admin;
  std::string bob;
};

TEST_F(Api, UsersAreMadeChangedAndRemoved) {
  const auto made = live.post(
      "/v1/users", R"({"name":"eve","namespaces":["e1","e2"],"quotas":{"functions":2,"code_bytes":null}})",
      with(admin));
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_TRUE(has(made, R"("namespaces":["e1","e2"],"quotas":{"functions":2,"code_bytes":null)"))
      << made.body;
  const std::string eve = key_of(made);
  EXPECT_EQ(deploy("e1/a", "echo", eve).status, 201);
  EXPECT_EQ(deploy("eve/a", "echo", eve).status, 404);

  EXPECT_EQ(live.request("DELETE", "/v1/users/eve", "", with(admin)).status, 409);
  EXPECT_EQ(live.request("DELETE", "/v1/users/eve", "", with(eve)).status, 403);
  EXPECT_EQ(live.request("PATCH", "/v1/users/eve", R"({"namespaces":["e1","eve"]})", with(admin)).status,
            200);
  EXPECT_EQ(deploy("eve/a", "echo", eve).status, 201);
  EXPECT_EQ(deploy("e2/a", "echo", eve).status, 404);
  EXPECT_EQ(live.request("PATCH", "/v1/users/eve", R"({"namespaces":["bob"]})", with(admin)).status, 409);

  EXPECT_EQ(live.request("DELETE", "/v1/functions/e1/a", "", with(eve)).status, 200);
  EXPECT_EQ(live.request("DELETE", "/v1/functions/eve/a", "", with(admin)).status, 200);
  EXPECT_EQ(live.request("DELETE", "/v1/users/eve", "", with(admin)).status, 200);
  EXPECT_EQ(live.get("/v1/functions", with(eve)).status, 401);
  EXPECT_EQ(live.request("DELETE", "/v1/users/eve", "", with(admin)).status, 404);
}

TEST_F(Api, NullMeansSomethingOrIsRefused) {
  for (const char* bad :
       {R"({"name":"eve","role":null})", R"({"name":"eve","namespaces":null})",
        R"({"name":"eve","key":null})", R"({"name":"eve","quotas":null})", R"({"name":null})"}) {
    EXPECT_EQ(live.post("/v1/users", bad, with(admin)).status, 400) << bad;
  }
  for (const char* bad : {R"({"user":null})", R"({"label":null})", R"({"expires":null})"}) {
    EXPECT_EQ(live.post("/v1/keys", bad, with(bob)).status, 400) << bad;
  }
  EXPECT_EQ(live.request("PATCH", "/v1/users/bob", "", with(admin)).status, 400);
  EXPECT_EQ(live.request("PATCH", "/v1/users/bob", "{}", with(admin)).status, 200);
  EXPECT_EQ(live.request("PATCH", "/v1/users/bob", R"({"password":null})", with(admin)).status, 200);
}

TEST_F(Api, TheLastAdministratorStaysOne) {
  for (const char* change : {R"({"role":"developer"})", R"({"disabled":true})"}) {
    EXPECT_EQ(live.request("PATCH", "/v1/users/admin", change, with(admin)).status, 409) << change;
  }
  EXPECT_EQ(live.request("DELETE", "/v1/users/admin", "", with(admin)).status, 409);
  EXPECT_EQ(live.request("PATCH", "/v1/users/bob", R"({"role":"admin"})", with(admin)).status, 200);
  EXPECT_EQ(live.request("PATCH", "/v1/users/admin", R"({"disabled":true})", with(bob)).status, 404);
}

TEST_F(Api, AUserDoesNotRemoveItselfOrOthers) {
  const auto own = live.request("DELETE", "/v1/users/bob", "", with(bob));
  EXPECT_EQ(own.status, 403);
  EXPECT_TRUE(has(own, "a user cannot remove itself; ask an administrator"));
  EXPECT_EQ(live.request("DELETE", "/v1/users/admin", "", with(bob)).status, 404);
  EXPECT_EQ(live.request("DELETE", "/v1/users/nil", "", with(bob)).status, 404);
}

TEST_F(Api, APasswordHas200CharactersAtMost) {
  const std::string most(200, 'x');
  const auto longer = live.request("PATCH", "/v1/users/bob", R"({"password":")" + most + R"(x"})", with(bob));
  EXPECT_EQ(longer.status, 400);
  EXPECT_TRUE(has(longer, "a password has 8 to 200 characters; this one has 201"));
  const auto kept = live.request("PATCH", "/v1/users/bob", R"({"password":")" + most + R"("})", with(bob));
  EXPECT_EQ(kept.status, 200);
}

TEST_F(Api, OfItselfAUserChangesThePasswordOnly) {
  EXPECT_EQ(live.request("PATCH", "/v1/users/bob", R"({"role":"admin"})", with(bob)).status, 403);
  EXPECT_EQ(live.request("PATCH", "/v1/users/bob", R"({"quotas":{"functions":null}})", with(bob)).status,
            403);
  EXPECT_EQ(live.request("PATCH", "/v1/users/bob", R"({"namespaces":["x"]})", with(bob)).status, 403);
  const auto changed = live.request("PATCH", "/v1/users/bob", R"({"password":"long enough"})", with(bob));
  EXPECT_EQ(changed.status, 200) << changed.body;
  EXPECT_TRUE(has(changed, R"("has_password":true)"));
}

TEST_F(Api, APasswordIsGoodForAKeyThatExpires) {
  ASSERT_EQ(live.request("PATCH", "/v1/users/bob", R"({"password":"long enough"})", with(bob)).status, 200);
  const auto in = live.post("/v1/login", R"({"user":"bob","password":"long enough","expires":"1h"})");
  ASSERT_EQ(in.status, 201) << in.body;
  EXPECT_FALSE(has(in, R"("expires":null)"));
  EXPECT_EQ(live.get("/v1/functions", with(key_of(in))).status, 200);
  const auto wrong = live.post("/v1/login", R"({"user":"bob","password":"long enougH"})");
  const auto nobody = live.post("/v1/login", R"({"user":"nil","password":"long enough"})");
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(wrong.body, nobody.body);
  EXPECT_EQ(live.post("/v1/login", R"({"user":"admin","password":""})").status, 401);
  EXPECT_EQ(live.post("/v1/login", R"({"user":"bob"})").status, 400);
  EXPECT_EQ(live.post("/v1/login", R"({"user":"bob","password":"long enough","expires":"99d"})").status, 400);
}

// With a password one makes keys of the user's whole role, and without an end.
TEST_F(Api, NoLesserKeyLeadsToAPassword) {
  for (const char* lesser : {R"({"role":"caller"})", R"({"namespaces":["bob"]})", R"({"expires":"1h"})"}) {
    const std::string key = key_of(live.post("/v1/keys", lesser, with(bob)));
    const auto tried = live.request("PATCH", "/v1/users/bob", R"({"password":"long enough"})", with(key));
    EXPECT_EQ(tried.status, 403) << lesser << tried.body;
  }
  EXPECT_EQ(live.post("/v1/login", R"({"user":"bob","password":"long enough"})").status, 401);
}

// A key that was given away, or lost, locks its owner out of nothing.
TEST_F(Api, NoKeyRevokesOneThatMayMore) {
  const auto more = [](User& user) -> Result<void> {
    user.spaces = {"bob", "shop"};
    return {};
  };
  ASSERT_TRUE(live.catalog->users().change_user("bob", more, "", {}));
  const auto make = [this](const char* draft) { return key_of(live.post("/v1/keys", draft, with(bob))); };
  const auto revoke = [this](const std::string& key, const std::string& with_key) {
    return live.request("DELETE", "/v1/keys/" + key.substr(4, 16), "", with(with_key)).status;
  };
  const std::string shop = make(R"({"namespaces":["shop"]})");
  const std::string shops_caller = make(R"({"namespaces":["shop"],"role":"caller"})");
  const std::string both = make(R"({"namespaces":["shop","bob"]})");
  const std::string brief = make(R"({"expires":"1h"})");
  const std::string eve = add_person(*live.catalog, "eve", Role::developer);
  EXPECT_EQ(revoke(bob, shop), 403);
  EXPECT_EQ(revoke(both, shop), 403);
  EXPECT_EQ(revoke(bob, shops_caller), 403);
  EXPECT_EQ(revoke(eve, shop), 404) << "what is another's is not there, whatever it may";
  EXPECT_EQ(live.get("/v1/functions", with(bob)).status, 200);
  EXPECT_EQ(revoke(shops_caller, shop), 200);
  EXPECT_EQ(revoke(shop, shop), 200);
  EXPECT_EQ(revoke(both, brief), 200) << "who still has a key for an hour can end one that was stolen";
  EXPECT_EQ(revoke(brief, bob), 200);
}

TEST_F(Api, NoKeyMakesOneThatLastsLonger) {
  const std::string brief = key_of(live.post("/v1/keys", R"({"expires":"1h"})", with(bob)));
  const auto same = live.post("/v1/keys", "{}", with(brief));
  ASSERT_EQ(same.status, 201) << same.body;
  EXPECT_FALSE(has(same, R"("expires":null)")) << same.body;
  EXPECT_EQ(live.post("/v1/keys", R"({"expires":"59m"})", with(brief)).status, 201);
  EXPECT_EQ(live.post("/v1/keys", R"({"expires":"2h"})", with(brief)).status, 403);
}

TEST(LoginGate, LetsTenTriesAMinuteInForAName) {
  LoginGate gate;
  const Time now(seconds(1000));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(gate.enter("bob", now).admitted);
  const auto refused = gate.enter("bob", now);
  EXPECT_FALSE(refused.admitted);
  EXPECT_GT(refused.retry_after, Duration::zero());
  EXPECT_TRUE(gate.enter("eve", now).admitted) << "another name's tries are its own";
  EXPECT_TRUE(gate.enter("bob", now + seconds(6)).admitted);
  EXPECT_FALSE(gate.enter("bob", now + seconds(6)).admitted);
}

TEST_F(Api, KeysAreShownOnceAndWorthNoMoreThanTheirMaker) {
  const auto made = live.post("/v1/keys", R"({"label":"ci","role":"caller","expires":"30d"})", with(bob));
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string key = key_of(made);
  const auto list = live.get("/v1/keys", with(bob));
  EXPECT_TRUE(has(list, R"("label":"ci")")) << list.body;
  EXPECT_FALSE(has(list, key));
  EXPECT_FALSE(has(list, key.substr(21)));
  EXPECT_EQ(live.post("/v1/keys", R"({"role":"developer"})", with(key)).status, 403);
  EXPECT_EQ(live.post("/v1/keys", R"({"user":"bob","role":"developer"})", with(admin)).status, 201);
  EXPECT_EQ(live.post("/v1/keys", R"({"user":"nil"})", with(admin)).status, 404);
  for (const char* bad :
       {R"({"role":"king"})", R"({"expires":"soon"})", R"({"expires":"-1d"})", R"([])", R"({"x":1})",
        R"({"label":7})", R"({"namespaces":"bob"})", R"({"namespaces":[1]})", "{"}) {
    EXPECT_EQ(live.post("/v1/keys", bad, with(bob)).status, 400) << bad;
  }
}

TEST_F(Api, AKeyForANamespaceThatIsNotThereIsMadeWithAWarning) {
  ASSERT_EQ(deploy("free/echo", "echo", admin).status, 201);
  const auto make = [this](const char* draft) { return live.post("/v1/keys", draft, with(admin)); };
  for (const char* good : {R"({"namespaces":["bob"]})", R"({"namespaces":["free"]})", "{}",
                           R"({"user":"bob","namespaces":["bob"]})"}) {
    const auto made = make(good);
    EXPECT_EQ(made.status, 201) << made.body;
    EXPECT_FALSE(has(made, "warnings")) << made.body;
  }
  const auto typo = make(R"({"namespaces":["fre"]})");
  EXPECT_EQ(typo.status, 201);
  EXPECT_TRUE(has(typo, R"("warnings":["there is no namespace fre: )")) << typo.body;
  const auto foreign = make(R"({"user":"bob","namespaces":["bob","free"]})");
  EXPECT_EQ(foreign.status, 201);
  EXPECT_TRUE(has(foreign, R"("warnings":["bob has no namespace free: )")) << foreign.body;
}

TEST_F(Api, FunctionsAndCodeHaveQuotas) {
  ASSERT_EQ(quota(R"({"functions":2,"code_bytes":10})").status, 200);
  EXPECT_EQ(deploy("bob/a", "echo", bob).status, 201);
  EXPECT_EQ(deploy("bob/b", "echo", bob).status, 201);
  const auto third = deploy("bob/c", "echo", bob);
  EXPECT_EQ(third.status, 429);
  EXPECT_TRUE(has(third, "quota 'functions'")) << third.body;
  EXPECT_FALSE(third.header("Retry-After").empty());
  EXPECT_EQ(deploy("bob/a", "show", bob).status, 200);  // In place of what it had.
  EXPECT_TRUE(has(deploy("bob/a", "teapot!", bob), "code_bytes"));
  EXPECT_EQ(live.request("DELETE", "/v1/functions/bob/b", "", with(bob)).status, 200);
  EXPECT_EQ(deploy("bob/c", "echo", bob).status, 201);
  const auto mine = live.get("/v1/quotas", with(bob));
  EXPECT_TRUE(has(mine, R"("used":{"functions":2,"code_bytes":8)")) << mine.body;
  EXPECT_EQ(deploy("free/a", "echo", admin).status, 201);  // Nobody's namespace has no bounds.
}

TEST_F(Api, VariablesCountAsCode) {
  ASSERT_EQ(quota(R"({"code_bytes":12})").status, 200);
  EXPECT_EQ(deploy("bob/a?env=KEY=12345", "echo", bob).status, 201);
  EXPECT_TRUE(has(live.get("/v1/quotas", with(bob)), R"("code_bytes":12)"));
  EXPECT_EQ(deploy("bob/a?env=KEY=123456", "echo", bob).status, 429);
}

TEST_F(Api, ARollbackCountsAsADeploymentDoes) {
  const auto roll_back = [this](int version) {
    return live.request("POST", "/v1/functions/bob/a/rollback",
                        "{\"version\":" + std::to_string(version) + "}", with(bob));
  };
  ASSERT_EQ(deploy("bob/a", "teapot", bob).status, 201);
  ASSERT_EQ(deploy("bob/a", "echo", bob).status, 200);
  ASSERT_EQ(quota(R"({"code_bytes":5})").status, 200);
  const auto refused = roll_back(1);
  EXPECT_EQ(refused.status, 429);
  EXPECT_TRUE(has(refused, "quota 'code_bytes'")) << refused.body;
  EXPECT_FALSE(refused.header("Retry-After").empty());
  EXPECT_EQ(live.post("/function/bob/a", "as it was", with(bob)).body, "as it was");
  ASSERT_EQ(quota(R"({"code_bytes":6})").status, 200);
  EXPECT_EQ(roll_back(1).status, 200);
  ASSERT_EQ(quota(R"({"code_bytes":1})").status, 200);
  EXPECT_EQ(roll_back(1).status, 200) << "it is the current one already";
}

TEST_F(Api, CallsPerMinuteHaveAQuota) {
  ASSERT_EQ(deploy("bob/echo", "echo", bob).status, 201);
  ASSERT_EQ(quota(R"({"calls_per_minute":5})").status, 200);
  int answered = 0;
  for (int i = 0; i < 8; ++i) {
    const auto response = live.post("/function/bob/echo", "x", with(bob));
    if (response.status == 200) ++answered;
    if (response.status == 200) continue;
    EXPECT_EQ(response.status, 429);
    EXPECT_TRUE(has(response, "quota 'calls_per_minute'")) << response.body;
    const std::string after(response.header("Retry-After"));
    EXPECT_GE(std::stoi(after), 1);
    EXPECT_LE(std::stoi(after), 12);
  }
  EXPECT_EQ(answered, 5);
  ASSERT_EQ(quota(R"({"calls_per_minute":null})").status, 200);
  EXPECT_EQ(live.post("/function/bob/echo", "x", with(bob)).status, 200);
  ASSERT_EQ(quota(R"({"calls_per_minute":0})").status, 200);
  EXPECT_EQ(live.post("/function/bob/echo", "x", with(bob)).status, 429);
}

TEST_F(Api, CallsAtOnceHaveAQuota) {
  ASSERT_EQ(deploy("bob/wait", "wait", bob).status, 201);
  ASSERT_EQ(deploy("bob/echo", "echo", bob).status, 201);
  ASSERT_EQ(quota(R"({"concurrency":1})").status, 200);
  std::jthread caller([this] { live.post("/function/bob/wait", "", with(bob)); });
  ASSERT_TRUE(eventually([this] { return live.runtime->waiting_count() > 0; }));
  const auto refused = live.post("/function/bob/echo", "x", with(bob));
  EXPECT_EQ(refused.status, 429);
  EXPECT_TRUE(has(refused, "quota 'concurrency'")) << refused.body;
  EXPECT_TRUE(has(live.get("/v1/quotas", with(bob)), R"("concurrency":1})"));
  live.runtime->release();
  caller.join();
  EXPECT_TRUE(eventually([this] { return live.post("/function/bob/echo", "x", with(bob)).status == 200; }));
}

TEST_F(Api, DurableCallsThatWaitHaveAQuotaForRetriesToo) {
  ASSERT_EQ(deploy("bob/wait?concurrency=1", "wait", bob).status, 201);
  ASSERT_EQ(deploy("bob/trap", "trap", bob).status, 201);
  const auto submit = [this](const std::string& name) {
    return live.post("/async-function/bob/" + name, "", with(bob));
  };
  const std::string failed(submit("trap").header("X-Call-Id"));
  ASSERT_TRUE(has(live.get("/v1/calls/" + failed + "?wait=30s", with(bob)), "FAILED"));
  ASSERT_EQ(submit("wait").status, 202);
  ASSERT_TRUE(eventually([this] { return live.runtime->waiting_count() == 1; }));  // It runs.

  ASSERT_EQ(quota(R"({"queued_calls":1})").status, 200);
  ASSERT_EQ(submit("wait").status, 202);
  for (const auto& refused : {submit("wait"), live.post("/v1/calls/" + failed + "/retry", "", with(bob))}) {
    EXPECT_EQ(refused.status, 429);
    EXPECT_TRUE(has(refused, "quota 'queued_calls'")) << refused.body;
    EXPECT_FALSE(refused.header("Retry-After").empty());
  }
  ASSERT_EQ(quota(R"({"queued_calls":0})").status, 200);
  EXPECT_EQ(submit("trap").status, 429) << "0 is a bound, not none";
  ASSERT_TRUE(eventually([this] {
    live.runtime->release();
    return !has(live.get("/v1/calls?function=bob/wait", with(bob)), "QUEUED");
  }));
}

TEST_F(Api, BytesOfResultsAndLogsHaveQuotas) {
  ASSERT_EQ(deploy("bob/echo", "echo", bob).status, 201);
  ASSERT_EQ(deploy("bob/log", "log", bob).status, 201);
  ASSERT_EQ(quota(R"({"log_bytes_per_minute":10})").status, 200);
  const auto one = live.post("/function/bob/log", std::string(20, 'x'), with(bob));
  EXPECT_EQ(one.header("X-Log-Dropped-Bytes"), "");
  const auto two = live.post("/function/bob/log", std::string(20, 'x'), with(bob));
  EXPECT_EQ(two.status, 200);
  const auto record = live.get("/v1/calls/" + std::string(two.header("X-Call-Id")), with(bob));
  EXPECT_TRUE(has(record, R"("log_dropped_bytes":20)")) << record.body;
  ASSERT_EQ(quota(R"({"result_bytes_per_minute":10})").status, 200);
  EXPECT_EQ(live.post("/function/bob/echo", std::string(20, 'x'), with(bob)).status, 200);
  const auto refused = live.post("/function/bob/echo", "x", with(bob));
  EXPECT_EQ(refused.status, 429);
  EXPECT_TRUE(has(refused, "quota 'result_bytes_per_minute'")) << refused.body;
}

// What lies on the disk counts, whichever way it came there.
TEST_F(Api, TheInputOfADurableCallCountsAsAResultDoes) {
  ASSERT_EQ(deploy("bob/fail", "fail", bob).status, 201);
  ASSERT_EQ(quota(R"({"result_bytes_per_minute":10})").status, 200);
  EXPECT_EQ(live.post("/async-function/bob/fail", std::string(20, 'x'), with(bob)).status, 202);
  const auto refused = live.post("/async-function/bob/fail", "x", with(bob));
  EXPECT_EQ(refused.status, 429);
  EXPECT_TRUE(has(refused, "quota 'result_bytes_per_minute'")) << refused.body;
  EXPECT_FALSE(refused.header("Retry-After").empty());
}

TEST_F(Api, OneUsersQuotaIsNotAnothers) {
  const std::string eve = add_person(*live.catalog, "eve", Role::developer);
  ASSERT_EQ(deploy("bob/echo", "echo", bob).status, 201);
  ASSERT_EQ(deploy("eve/echo", "echo", eve).status, 201);
  ASSERT_EQ(quota(R"({"calls_per_minute":0})").status, 200);
  EXPECT_EQ(live.post("/function/bob/echo", "x", with(bob)).status, 429);
  EXPECT_EQ(live.post("/function/eve/echo", "x", with(eve)).status, 200);
}

TEST_F(Api, QuotasAreCheckedWhenTheyAreSet) {
  for (const char* bad :
       {R"({"functions":-1})", R"({"functions":1.5})", R"({"functions":"2"})", R"({"cores":2})",
        R"({"functions":1e300})", R"({"functions":9007199254740992})", ""}) {
    EXPECT_EQ(quota(bad).status, 400) << bad;
  }
  EXPECT_EQ(live.request("PUT", "/v1/quotas/nil", "{}", with(admin)).status, 404);
  EXPECT_EQ(live.request("PUT", "/v1/quotas/bob", R"({"functions":null})", with(bob)).status, 403);
}

TEST_F(Api, SecretsBecomeVariablesOfTheNextCall) {
  ASSERT_EQ(deploy("bob/env", "env", bob).status, 201);
  ASSERT_EQ(live.post("/function/bob/env", "", with(bob)).body, "");
  const auto put = [this](const std::string& target, const std::string& value) {
    return live.request("PUT", "/v1/secrets/" + target, value, with(bob)).status;
  };
  EXPECT_EQ(put("bob/TOKEN", "for all"), 201);
  EXPECT_EQ(live.post("/function/bob/env", "", with(bob)).body, "TOKEN=for all\n");
  EXPECT_EQ(put("bob/TOKEN?function=env", "own"), 201);
  EXPECT_EQ(put("bob/OTHER?function=another", "foreign"), 201);
  EXPECT_EQ(live.post("/function/bob/env", "", with(bob)).body, "TOKEN=own\n");
  EXPECT_EQ(put("bob/TOKEN?function=env", "new"), 200);
  EXPECT_EQ(live.post("/function/bob/env", "", with(bob)).body, "TOKEN=new\n");
  const auto list = live.get("/v1/secrets/bob", with(bob));
  EXPECT_TRUE(has(list, R"("function":"env","name":"TOKEN","size_bytes":3)")) << list.body;
  EXPECT_FALSE(has(list, "new"));
  EXPECT_FALSE(has(live.get("/v1/functions/bob/env", with(bob)), "TOKEN"));
  EXPECT_EQ(live.request("DELETE", "/v1/secrets/bob/TOKEN?function=env", "", with(bob)).status, 200);
  EXPECT_EQ(live.post("/function/bob/env", "", with(bob)).body, "TOKEN=for all\n");
  EXPECT_EQ(live.request("DELETE", "/v1/secrets/bob/TOKEN?function=env", "", with(bob)).status, 404);
  EXPECT_EQ(put("bob/1A", "x"), 400);
  EXPECT_EQ(put("bob/A?function=..", "x"), 400);
  EXPECT_EQ(put("bob/A", std::string("a\0b", 3)), 400);
}

TEST_F(Api, UsageCountsEveryCallUpToThisMoment) {
  ASSERT_EQ(deploy("bob/echo", "echo", bob).status, 201);
  ASSERT_EQ(deploy("bob/trap", "trap", bob).status, 201);
  for (int i = 0; i < 7; ++i) live.post("/function/bob/echo", "12345", with(bob));
  live.post("/function/bob/trap", "", with(bob));
  const auto usage = live.get("/v1/usage", with(bob));
  ASSERT_EQ(usage.status, 200) << usage.body;
  const Json json = boost::json::parse(usage.body);
  const auto& rows = json.at("usage").as_array();
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0].at("function").as_string(), "bob/echo");
  EXPECT_EQ(rows[0].at("user").as_string(), "bob");
  EXPECT_EQ(rows[0].at("calls").as_int64(), 7);
  EXPECT_EQ(rows[0].at("input_bytes").as_int64(), 35);
  EXPECT_EQ(rows[0].at("output_bytes").as_int64(), 35);
  EXPECT_EQ(rows[1].at("errors").as_int64(), 1);
  EXPECT_GT(rows[1].at("log_bytes").as_int64(), 0);
  live.post("/function/bob/echo", "12345", with(admin));
  EXPECT_TRUE(has(live.get("/v1/usage?function=bob/echo&by=day", with(bob)), R"("calls":8)"));
  EXPECT_TRUE(has(live.get("/v1/usage?user=bob", with(admin)), R"("calls":8)"));
  for (const char* bad :
       {"?by=week", "?function=..", "?since=soon", "?x=1", "?namespace=%C3%97", "?namespace="}) {
    EXPECT_EQ(live.get("/v1/usage" + std::string(bad), with(bob)).status, 400) << bad;
  }
}

// Asks for `target` page after page, and returns `member` of each thing in `list`.
std::vector<std::string> pages_of(const LiveServer& live, const std::string& key, const std::string& target,
                                  const std::string& list, const std::string& member) {
  std::vector<std::string> found;
  std::string after;
  for (int page = 0; page < 100; ++page) {
    const char* const begin = target.find('?') == std::string::npos ? "?" : "&";
    const auto response = live.get(target + begin + "limit=2" + after, with(key));
    EXPECT_EQ(response.status, 200) << response.body;
    const Json json = boost::json::parse(response.body);
    const auto& things = json.at(list).as_array();
    EXPECT_LE(things.size(), 2) << target;
    for (const Json& thing : things) {
      const Json& value = thing.at(member);
      found.push_back(value.is_string() ? std::string(value.as_string()) : std::to_string(value.as_int64()));
    }
    if (json.at("next").is_null()) return found;
    EXPECT_EQ(things.size(), 2) << target;
    after = "&after=" + std::string(json.at("next").as_string());
  }
  ADD_FAILURE() << target << " has no end";
  return found;
}

TEST_F(Api, EveryListComesInPages) {
  using Words = std::vector<std::string>;
  for (const char* name : {"eve", "carol", "dave"}) add_person(*live.catalog, name, Role::developer);
  EXPECT_EQ(pages_of(live, admin, "/v1/users", "users", "name"),
            (Words{"admin", "bob", "carol", "dave", "eve"}));
  EXPECT_EQ(pages_of(live, admin, "/v1/keys", "keys", "id").size(), 5);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(live.post("/v1/keys", "{}", with(bob)).status, 201);
  EXPECT_EQ(pages_of(live, bob, "/v1/keys", "keys", "id").size(), 4);
  EXPECT_EQ(pages_of(live, admin, "/v1/keys?user=bob", "keys", "id").size(), 4);

  const auto set = [this](const std::string& target) {
    ASSERT_EQ(live.request("PUT", "/v1/secrets/" + target, "x", with(admin)).status, 201);
  };
  for (const char* secret : {"bob/B", "bob/A", "bob/A?function=f", "bob/B?function=f", "eve/E"}) set(secret);
  EXPECT_EQ(pages_of(live, admin, "/v1/secrets", "secrets", "name"), (Words{"A", "B", "A", "B", "E"}));
  EXPECT_EQ(pages_of(live, bob, "/v1/secrets", "secrets", "name"), (Words{"A", "B", "A", "B"}));
  EXPECT_EQ(pages_of(live, admin, "/v1/secrets/eve", "secrets", "name"), (Words{"E"}));

  for (const char* code : {"echo", "env", "show", "log", "echo"}) deploy("bob/a", code, bob);
  EXPECT_EQ(pages_of(live, bob, "/v1/functions/bob/a/versions", "versions", "version"),
            (Words{"5", "4", "3", "2", "1"}));
  for (const char* name : {"bob/c", "bob/b", "eve/a"}) deploy(name, "echo", admin);
  EXPECT_EQ(pages_of(live, bob, "/v1/functions", "functions", "function"),
            (Words{"bob/a", "bob/b", "bob/c"}));
  EXPECT_EQ(pages_of(live, admin, "/v1/functions/bob", "functions", "function"),
            (Words{"bob/a", "bob/b", "bob/c"}));

  for (const char* name : {"bob/c", "bob/a", "bob/b", "eve/a"}) {
    EXPECT_EQ(live.post("/function/" + std::string(name), "", with(admin)).status, 200);
  }
  EXPECT_EQ(pages_of(live, bob, "/v1/usage", "usage", "function"), (Words{"bob/a", "bob/b", "bob/c"}));
  EXPECT_EQ(pages_of(live, bob, "/v1/usage?by=day", "usage", "function"), (Words{"bob/a", "bob/b", "bob/c"}));
  EXPECT_EQ(pages_of(live, admin, "/v1/usage", "usage", "function").size(), 4);
  EXPECT_EQ(pages_of(live, bob, "/v1/calls", "calls", "function"), (Words{"bob/b", "bob/a", "bob/c"}));

  const Words lines = pages_of(live, admin, "/v1/audit", "audit", "id");
  EXPECT_EQ(lines.back(), "1");
  EXPECT_EQ(lines.front(), std::to_string(lines.size()));
}

TEST_F(Api, APageThatIsNoneIsRefused) {
  deploy("bob/a", "echo", bob);
  for (const char* list : {"/v1/users", "/v1/keys", "/v1/secrets", "/v1/functions", "/v1/usage", "/v1/calls",
                           "/v1/audit", "/v1/functions/bob/a/versions"}) {
    for (const char* bad : {"?limit=0", "?limit=1001", "?limit=x", "?limit="}) {
      EXPECT_EQ(live.get(list + std::string(bad), with(admin)).status, 400) << list << bad;
    }
  }
  for (const char* bad :
       {"/v1/secrets?after=x", "/v1/usage?after=x", "/v1/usage?after=1/bob/a", "/v1/usage?after=-1/2/bob/a",
        "/v1/usage?after=1/2/bob/a/b", "/v1/usage?after=99999999999999999999/2/bob/a", "/v1/calls?after=x",
        "/v1/audit?after=x", "/v1/audit?after=0", "/v1/audit?after=9007199254740992", "/v1/users?after=%ff",
        "/v1/keys?after=zz", "/v1/keys?user=", "/v1/usage?user=", "/v1/functions/bob/a/versions?after=0"}) {
    EXPECT_EQ(live.get(bad, with(admin)).status, 400) << bad;
  }
}

TEST_F(Api, TheAuditLogSaysWhoChangedWhat) {
  ASSERT_EQ(deploy("bob/echo", "echo", bob).status, 201);
  ASSERT_EQ(live.request("PUT", "/v1/secrets/bob/TOKEN", "hidden", with(bob)).status, 201);
  ASSERT_EQ(live.request("DELETE", "/v1/functions/bob/echo", "", with(admin)).status, 200);
  const auto audit = live.get("/v1/audit", with(admin));
  ASSERT_EQ(audit.status, 200);
  const Json json = boost::json::parse(audit.body);
  const auto& lines = json.at("audit").as_array();
  ASSERT_GE(lines.size(), 3);
  EXPECT_EQ(lines[0].at("action").as_string(), "function.remove");
  EXPECT_EQ(lines[0].at("user").as_string(), "admin");
  EXPECT_EQ(lines[1].at("action").as_string(), "secret.set");
  EXPECT_EQ(lines[2].at("action").as_string(), "function.deploy");
  EXPECT_EQ(lines[2].at("user").as_string(), "bob");
  EXPECT_EQ(lines[2].at("key").as_string(), bob.substr(4, 16));
  EXPECT_FALSE(has(audit, "hidden"));
  EXPECT_TRUE(has(live.get("/v1/audit?limit=1", with(admin)), R"("next":)"));
}

TEST_F(Api, WhatIsFollowedEndsWithItsKey) {
  const auto made = live.post("/v1/keys", "{}", with(bob));
  ASSERT_EQ(made.status, 201);
  const std::string key = key_of(made);
  std::atomic<bool> ended = false;
  std::jthread follower([&] {
    live.get("/v1/events", with(key));
    ended = true;
  });
  ASSERT_TRUE(eventually([this] { return has(live.get("/debug/state", with(admin)), R"("followers":1)"); }));
  EXPECT_FALSE(ended);
  ASSERT_EQ(live.request("DELETE", "/v1/keys/" + key.substr(4, 16), "", with(bob)).status, 200);
  EXPECT_TRUE(eventually([&ended] { return ended.load(); }));
}

// And so does what is waited for, of both kinds of call: the answer is that of a key that sees nothing.
TEST_F(Api, WhatIsWaitedForEndsWithItsKey) {
  ASSERT_EQ(deploy("bob/wait", "wait", bob).status, 201);
  const auto submitted = live.post("/async-function/bob/wait", "", with(bob));
  ASSERT_EQ(submitted.status, 202);
  std::jthread caller([this] { live.post("/function/bob/wait", "", with(bob)); });
  ASSERT_TRUE(eventually([this] { return live.runtime->waiting_count() == 2; }));
  const Json calls = json_of(live.get("/v1/calls", with(bob)));
  ASSERT_EQ(calls.at("calls").as_array().size(), 2);
  for (const Json& call : calls.at("calls").as_array()) {
    const std::string id(call.at("id").as_string());
    const std::string key = key_of(live.post("/v1/keys", "{}", with(bob)));
    auto waiting =
        std::async(std::launch::async, [&] { return live.get("/v1/calls/" + id + "?wait=30s", with(key)); });
    ASSERT_TRUE(
        eventually([this] { return has(live.get("/debug/state", with(admin)), R"("followers":1)"); }));
    ASSERT_EQ(live.request("DELETE", "/v1/keys/" + key.substr(4, 16), "", with(bob)).status, 200);
    const auto ended = waiting.get();
    EXPECT_EQ(ended.status, 404) << ended.body;
    EXPECT_FALSE(has(ended, "RUNNING"));
    ASSERT_TRUE(
        eventually([this] { return has(live.get("/debug/state", with(admin)), R"("followers":0)"); }));
  }
  live.runtime->release();
}

}  // namespace
}  // namespace canopy::api

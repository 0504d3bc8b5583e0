#include "api/owners.h"

#include <gtest/gtest.h>

#include "base/check.h"

namespace canopy::api {
namespace {

using store::Actor;
using store::SecretName;

// Whom there is, as a test says it; nothing changes.
class FixedUsers final : public store::Users {
 public:
  explicit FixedUsers(store::Accounts accounts)
      : accounts_(std::make_shared<const store::Accounts>(std::move(accounts))) {}

  std::uint64_t version() const override { return 1; }
  std::shared_ptr<const store::Accounts> snapshot() const override { return accounts_; }

  Result<std::shared_ptr<const User>> add_user(User, std::optional<Key>, const Actor&) override {
    return no();
  }
  Result<std::shared_ptr<const User>> change_user(std::string_view, const std::function<Result<void>(User&)>&,
                                                  std::string_view, const Actor&) override {
    return no();
  }
  Result<void> remove_user(std::string_view, const Actor&) override { return no(); }
  Result<std::shared_ptr<const Key>> add_key(Key, const Actor&) override { return no(); }
  Result<void> remove_key(std::string_view, const Actor&) override { return no(); }
  Result<bool> set_secret(const SecretName&, std::string_view, const Actor&) override { return no(); }
  Result<void> remove_secret(const SecretName&, const Actor&) override { return no(); }
  Result<void> add_usage(const std::vector<DayUsage>&) override { return no(); }
  Result<std::vector<store::UsageRow>> usage(const store::UsageFilter&, std::size_t) const override {
    return no();
  }
  Result<std::vector<AuditEntry>> audit(std::uint64_t, std::size_t) const override { return no(); }

 private:
  static tl::unexpected<Error> no() { return fail(Code::internal, "a test does not change its users"); }

  const std::shared_ptr<const store::Accounts> accounts_;
};

std::shared_ptr<const Function> function_of(std::string space, std::string name) {
  Function function;
  function.name = {.space = std::move(space), .name = std::move(name)};
  function.env = {{"OWN", "deployed"}};
  return std::make_shared<const Function>(std::move(function));
}

store::Secret secret_of(std::string value) {
  return {.value = std::make_shared<const std::string>(std::move(value))};
}

TEST(Owners, AFunctionIsCalledWithItsSecrets) {
  store::Accounts accounts;
  accounts.secrets[{.space = "shop", .function = "", .name = "OWN"}] = secret_of("of all");
  accounts.secrets[{.space = "shop", .function = "cart", .name = "TOKEN"}] = secret_of("of one");
  const FixedUsers users(std::move(accounts));
  const Owners owners(users, 1);
  const auto cart = owners.as_called(function_of("shop", "cart"));
  ASSERT_TRUE(cart);
  EXPECT_EQ((*cart)->env, (std::map<std::string, std::string>{{"OWN", "of all"}, {"TOKEN", "of one"}}));
  const auto other = function_of("other", "cart");
  EXPECT_EQ(owners.as_called(other), other) << "it has none";
}

TEST(Owners, AFunctionIsNotCalledWithoutASecretThatDoesNotOpen) {
  store::Accounts accounts;
  accounts.secrets[{.space = "shop", .function = "cart", .name = "TOKEN"}] = {};
  const FixedUsers users(std::move(accounts));
  const Owners owners(users, 1);
  const auto cart = owners.as_called(function_of("shop", "cart"));
  ASSERT_FALSE(cart);
  EXPECT_EQ(cart.error().code, Code::unavailable);
  EXPECT_NE(cart.error().message.find("TOKEN"), std::string::npos);
  EXPECT_NE(cart.error().message.find("--secret-key-file"), std::string::npos);
  EXPECT_TRUE(owners.as_called(function_of("shop", "till"))) << "another has no use for it";
}

}  // namespace
}  // namespace canopy::api

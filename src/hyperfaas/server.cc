#include "hyperfaas/server.h"

#include <utility>

#include "api/deploy.h"
#include "base/log.h"
#include "hyperfaas/answer.h"
#include "hyperfaas/database.h"
#include "hyperfaas/hyperfaas.h"
#include "options/protocols.h"

namespace canopy::hyperfaas {
namespace {

constexpr Duration expiry_period = std::chrono::milliseconds(250);
constexpr std::size_t asking_threads = 2;
constexpr std::size_t asking_queue_max = 256;

// Whether it can be called as it is.
bool is_current(const store::Snapshot& snapshot, const Reaches& reaches, const Function& function,
                bool has_workers) {
  if (is_elsewhere(function)) {
    return has_workers && find_image(snapshot, reaches, registration_of(function)->image_tag) == nullptr;
  }
  if (!is_bound(function)) return false;
  const auto image = find_bound_image(snapshot, function);
  return image == nullptr || is_bound_to(function, *image);
}

bool is_of_one_user(const api::Here& here, const Function& a, const Function& b) {
  const auto accounts = here.platform.catalog.users().snapshot();
  const auto owner = accounts->owners.find(a.name.space);
  const auto other = accounts->owners.find(b.name.space);
  return owner != accounts->owners.end() && other != accounts->owners.end() && owner->second == other->second;
}

Error no_image(std::string_view tag) {
  return {Code::not_found,
          "there is no image '" + log_safe(tag, 200) +
              "' here: `hyperfaas-NAME` is the function hyperfaas/NAME, and any other tag the "
              "function of that name; deploy it, then call again"};
}

}  // namespace

HyperfaasServer::HyperfaasServer(const Options& options)
    : open_(options.hyperfaas == "on"),
      message_bytes_max_(options.body_bytes_max),
      addresses_(split_addresses(options.hyperfaas_listen)),
      has_workers_(!options.hyperfaas_workers.empty()),
      database_url_(is_database_url(options) ? options.hyperfaas_database : std::string()) {}

std::uint64_t HyperfaasServer::body_bytes_max(const net::HttpRequest& /*head*/) const {
  return message_bytes_max_;
}

const policy::Subject& HyperfaasServer::subject(const api::Here& here) const {
  return open_ ? everybody_ : here.who->subject;
}

net::Task<net::HttpResponse> HyperfaasServer::serve(const api::Here& here, net::HttpExchange& exchange,
                                                    const std::optional<Error>& refused) {
  const net::HttpRequest& request = exchange.request();
  if (!is_ours(request) || request.method != "POST") {
    const Error error{Code::invalid, "gRPC is spoken here: POST, with the content type application/grpc"};
    co_return api::error_with_status(415, error);
  }
  if (refused && !open_) co_return refusal(*refused);
  const Asked asked = read_request(request);
  if (!asked.function.empty()) co_return co_await call_by_authority(here, exchange, asked.function);
  switch (asked.door) {
    case Door::schedule_call:
      co_return co_await schedule_call(here, exchange);
    case Door::create_function:
      co_return co_await create_function(here, exchange, wire::IdForm::message);
    case Door::create_function_as_text:
      co_return co_await create_function(here, exchange, wire::IdForm::text);
    case Door::state:
      co_return co_await follow_state(here, exchange);
    case Door::start_instance:
      co_return co_await start_instance(here, exchange);
    case Door::call_instance:
      co_return co_await call_instance(here, exchange);
    case Door::stop_instance:
      co_return co_await stop_instance(here, exchange);
    case Door::status:
      co_return co_await follow_status(here, exchange);
    case Door::metrics:
      co_return co_await measure(here, exchange);
    case Door::health_check:
      co_return co_await check_health(here, exchange);
    case Door::health_watch:
      co_return co_await watch_health(here, exchange);
    case Door::none:
      break;
  }
  co_return refusal(wire::GrpcStatus::unimplemented, no_method(request));
}

std::optional<exec::Standing> HyperfaasServer::standing(const FunctionName& name) const {
  const auto snapshot = platform_->catalog.snapshot();
  const auto function = snapshot->functions.find(name);
  if (function == snapshot->functions.end()) return std::nullopt;
  const auto runtime = platform_->runtimes.find(function->second->runtime);
  return runtime == platform_->runtimes.end() ? std::nullopt : runtime->second->standing(*function->second);
}

void HyperfaasServer::start(const api::Platform& platform) {
  if (!database_url_.empty()) asking_.emplace(asking_threads, asking_queue_max);
  platform_ = &platform;
  clockwork_ = platform.cores.front();
  alarm_ = std::make_unique<api::Alarm>(*clockwork_);
  plan_expiry();
}

void HyperfaasServer::stop() {
  stopping_ = true;
  asking_.reset();
  alarm_.reset();
}

void HyperfaasServer::plan_expiry() {
  alarm_->set(clockwork_->clock().now() + expiry_period, [this] {
    const Clock& clock = clockwork_->clock();
    presence_.expire(clock.now());
    instances_.expire({.now = clock.now(), .wall = clock.wall_now()},
                      [this](const FunctionName& name) { return standing(name); });
    plan_expiry();
  });
}

net::Task<Result<HyperfaasServer::Found>> HyperfaasServer::find(const api::Here& here, std::string_view id) {
  const auto snapshot = here.platform.catalog.snapshot();
  Found function = find_registered(*snapshot, subject(here), id);
  if (function == nullptr && !database_url_.empty() && is_uuid_text(id)) {
    const auto adopted = co_await adopt(here, std::string(id));
    if (!adopted) co_return adopted;
    function = *adopted;
  }
  if (function == nullptr) co_return tl::unexpected(unknown_function());
  const policy::Need need{.role = Role::caller, .reach = policy::Reach::space};
  if (policy::judge(subject(here), need, function->name.space) != policy::Verdict::allowed) {
    co_return tl::unexpected(api::role_too_low(*here.who, need));
  }
  const auto reaches =
      is_elsewhere(*function) ? images_for(here, open_) : Reaches();  // Nobody else's is looked for.
  if (is_current(*snapshot, reaches, *function, has_workers_)) co_return function;
  co_return co_await bind(here, std::move(function));
}

net::Task<Result<HyperfaasServer::Found>> HyperfaasServer::adopt(const api::Here& here, std::string id) {
  const std::function<Result<Registration>()> ask = [this, &id]() -> Result<Registration> {
    if (stopping_) return fail(Code::unavailable, "the server stops; ask another one");
    return ask_database(database_url_, id);
  };
  auto registration = co_await net::run_blocking(*asking_, ask);
  if (!registration) co_return tl::unexpected(registration.error());
  const auto reaches = images_for(here, open_);
  const auto created = co_await create(here, subject(here), reaches, id, *std::move(registration));
  if (!created) co_return tl::unexpected(created.error());
  const auto snapshot = here.platform.catalog.snapshot();
  co_return find_registered(*snapshot, subject(here), id);
}

// Several calls may come here at once: what the second one puts is what is there already.
net::Task<Result<HyperfaasServer::Found>> HyperfaasServer::bind(const api::Here& here, Found function) const {
  const auto snapshot = here.platform.catalog.snapshot();
  const auto registration = registration_of(*function);
  const auto reaches = images_for(here, open_);
  Found image = is_bound(*function) ? find_bound_image(*snapshot, *function)
                                    : find_image(*snapshot, reaches, registration->image_tag);
  // Its namespace may have become a user's own since.
  if (image != nullptr && !reaches(image->name.space) && !is_of_one_user(here, *function, *image)) {
    image = nullptr;
  }
  if (image == nullptr && !has_workers_) co_return tl::unexpected(no_image(registration->image_tag));
  Function bound;
  if (image != nullptr) {
    bound = make_bound(function->name, *registration, *image, here.platform.options);
  } else {
    bound = make_elsewhere(function->name, *registration);
    bound.digest = function->digest;
    bound.code_bytes = function->code_bytes;
  }
  co_return co_await api::deploy_stored(here, std::move(bound));
}

net::Task<api::ForeignEnd> HyperfaasServer::run(const api::Here& here, net::HttpExchange& exchange,
                                                const Function& function, std::string_view input,
                                                std::optional<Duration> timeout, std::string_view path) {
  api::ForeignCall asked;
  asked.path = path;
  asked.headers = metadata_of(exchange.request());
  asked.headers.push_back({"Content-Type", "application/octet-stream"});
  asked.input = input;
  asked.timeout = timeout;
  co_return co_await run(here, exchange, function, asked);
}

net::Task<api::ForeignEnd> HyperfaasServer::run(const api::Here& here, net::HttpExchange& exchange,
                                                const Function& function, api::ForeignCall& asked) {
  const Clock& clock = here.core.clock();
  asked.function = function.name;
  const auto idle = [&function] { return idle_time(registration_of(function)->config); };
  presence_.begin(function.name, clock.now(), idle);
  api::ForeignEnd end = co_await here.caller.call(exchange, asked);
  presence_.end(asked.function, clock.now());
  co_return end;
}

Reaches images_for(const api::Here& here, bool is_open) {
  const auto accounts = here.platform.catalog.users().snapshot();
  if (!is_open) return [who = here.who](std::string_view space) { return who->reaches(space); };
  return [accounts](std::string_view space) {
    return space == common_space || !accounts->owners.contains(space);
  };
}

net::Task<Result<std::string>> create(const api::Here& here, const policy::Subject& subject,
                                      const Reaches& reaches, std::string id, Registration registration) {
  if (const auto good = check(registration); !good) co_return tl::unexpected(good.error());
  std::string space = space_for(subject);
  const policy::Need need{.role = Role::developer, .reach = policy::Reach::space};
  if (space.empty()) {
    co_return fail(Code::forbidden,
                   "the key counts for no namespace; an administrator can give its user one");
  }
  if (policy::judge(subject, need, space) != policy::Verdict::allowed) {
    co_return tl::unexpected(api::role_too_low(*here.who, need));
  }
  if (here.platform.draining) co_return fail(Code::unavailable, "the server stops; ask another one");
  FunctionName name{.space = std::move(space), .name = id};
  const auto snapshot = here.platform.catalog.snapshot();
  const auto image = find_image(*snapshot, reaches, registration.image_tag);
  Result<std::shared_ptr<const Function>> made;
  if (image != nullptr) {
    Function bound = make_bound(std::move(name), registration, *image, here.platform.options);
    made = co_await api::deploy_stored(here, std::move(bound));
  } else {
    const bool has_workers = !here.platform.options.hyperfaas_workers.empty();
    Function without = has_workers ? make_elsewhere(std::move(name), registration)
                                   : make_unbound(std::move(name), registration);
    std::string code(no_code);
    made = co_await api::deploy_unchecked(here, std::move(without), std::move(code));
  }
  if (!made) co_return tl::unexpected(made.error());
  co_return id;
}

std::vector<std::unique_ptr<api::Protocol>> make_protocols(const Options& options) {
  std::vector<std::unique_ptr<api::Protocol>> made;
  if (options.hyperfaas == "off") return made;
  made.push_back(std::make_unique<HyperfaasServer>(options));
  const bool serves_database = !options.hyperfaas_database.empty() && !is_database_url(options);
  if (serves_database) made.push_back(std::make_unique<DatabaseServer>(options));
  return made;
}

}  // namespace canopy::hyperfaas

#include "api/server.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "api/keys.h"
#include "api/server_impl.h"
#include "api/stores.h"
#include "base/log.h"

namespace canopy::api {
namespace {

constexpr std::size_t disk_thread_count = 4;
constexpr std::size_t password_queue_max = 16;
constexpr Duration stop_timeout = std::chrono::seconds(10);

std::size_t count_cores(const Options& options) {
  if (options.core_count > 0) return static_cast<std::size_t>(options.core_count);
  return std::max<std::size_t>(std::thread::hardware_concurrency(), 1);
}

net::HttpServerOptions server_options(const Options& options, const ListenAddress& address) {
  net::HttpServerOptions made;
  made.host = address.host;
  made.port = address.port;
  made.head_bytes_max = static_cast<std::size_t>(options.head_bytes_max);
  made.head_timeout = options.head_timeout;
  made.body_timeout = options.body_timeout;
  made.idle_timeout = options.idle_timeout;
  made.write_timeout = options.write_timeout;
  made.client_rate = options.client_rate;
  made.body_room = std::make_shared<net::BodyRoom>(
      std::max({options.queue_bytes_max, options.body_bytes_max, options.code_bytes_max}));
  made.certificate_file = options.tls_cert;
  made.key_file = options.tls_key;
  return made;
}

Result<policy::Place> read_place(const Options& options) {
  CANOPY_TRY(const bool loopback, is_loopback_only(options));
  policy::Place place{.loopback = loopback, .insecure = options.insecure};
  if (options.auth == "on") place.mode = policy::Mode::on;
  if (options.auth == "off") place.mode = policy::Mode::off;
  return place;
}

std::string url_text(const Options& options, std::string host, std::uint16_t port) {
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return (options.tls_cert.empty() ? "http://" : "https://") + host + ":" + std::to_string(port);
}

// Null where nobody is to be told.
Result<std::unique_ptr<trace::Exporter>> make_exporter(const Options& options, const std::string& version) {
  if (options.otlp_endpoint.empty()) return nullptr;
  CANOPY_TRY_VOID(trace::check_endpoint(options.otlp_endpoint));
  trace::ExporterOptions made{.endpoint = options.otlp_endpoint,
                              .every = options.otlp_every,
                              .program_version = version,
                              .instance = options.listen};
  if (!options.otlp_header.empty()) {
    CANOPY_TRY(net::HttpHeader header, trace::parse_header(options.otlp_header));
    made.headers.push_back(std::move(header));
  }
  return std::make_unique<trace::Exporter>(std::move(made));
}

}  // namespace

Server::Impl::Impl(ServerParts parts, const Clock& clock_in)
    : clock(clock_in),
      options(std::move(parts.options)),
      program_version(std::move(parts.program_version)),
      catalog(std::move(parts.catalog)),
      call_log(std::move(parts.call_log)),
      protocols(std::move(parts.protocols)),
      records({.shard_count = count_cores(options),
               .count_max = static_cast<std::size_t>(options.records_max),
               .bytes_max = static_cast<std::size_t>(options.records_bytes_max)}),
      places(count_cores(options)) {}

Result<void> Server::Impl::start(const std::function<Result<Runtimes>(const RuntimeParts&)>& make_runtimes) {
  CANOPY_TRY_VOID(open_stores(options, clock, catalog, call_log));
  CANOPY_TRY(place, read_place(options));
  CANOPY_TRY_VOID(make_admin());
  owners.emplace(catalog->users(), count_cores(options));
  for (std::size_t i = 0; i < count_cores(options); ++i) {
    cores.push_back(std::make_unique<exec::Core>(i, clock));
    core_pointers.push_back(cores.back().get());
  }
  disk.emplace(disk_thread_count, static_cast<std::size_t>(options.queue_max));
  passwords.emplace(1, password_queue_max);
  compile.emplace(static_cast<std::size_t>(std::max<std::uint64_t>(options.compile_jobs, 1)),
                  [this](const std::string& space) {
                    const auto owner = owners->of(space);
                    return owner ? "user " + std::to_string(owner->id()) : "namespace " + space;
                  });
  CANOPY_TRY(runtimes, make_runtimes({options, core_pointers, *disk, *catalog, clock, fleet, cluster}));
  templates.emplace(runtimes, *disk, *compile, clock);
  CANOPY_TRY(traces, make_exporter(options, program_version));
  // Names of fields are worth more than the other way to say it.
  // NOLINTNEXTLINE(modernize-make-unique)
  platform.reset(new Platform{.options = options,
                              .clock = clock,
                              .program_version = program_version,
                              .catalog = *catalog,
                              .records = records,
                              .runtimes = runtimes,
                              .disk = *disk,
                              .passwords = *passwords,
                              .compile = *compile,
                              .templates = *templates,
                              .places = places,
                              .owners = *owners,
                              .ledger = ledger,
                              .feed = feed,
                              .place = place,
                              .traces = traces.get(),
                              .cores = core_pointers,
                              .gateways = {},
                              .started = clock.now()});
  for (exec::Core* const core : core_pointers) lanes.push_back(std::make_unique<Lane>(*platform, *core));
  for (const auto& lane : lanes) platform->gateways.push_back(&lane->gateway);
  platform->call_log = call_log.get();
  for (const auto& protocol : protocols) platform->protocols.push_back(protocol.get());
  durable = std::make_unique<DurableEngine>(*platform);
  platform->durable = durable.get();
  platform->fleet = fleet.get();
  platform->cluster = cluster.get();
  for (Protocol* const protocol : platform->protocols) protocol->start(*platform);
  CANOPY_TRY_VOID(listen());
  for (Protocol* const protocol : platform->protocols) {
    for (const std::string& own : protocol->addresses()) CANOPY_TRY_VOID(listen_for(*protocol, own));
  }
  sweep_alarm = std::make_unique<Alarm>(*cores.front());
  plan_sweep();
  trim_alarm = std::make_unique<Alarm>(*cores.front());
  plan_trim();
  flush_alarm = std::make_unique<Alarm>(*cores.front());
  plan_flush();
  purge_alarm = std::make_unique<Alarm>(*cores.front());
  plan_purge();
  CANOPY_TRY_VOID(begin_scaling());
  interpreter = std::make_unique<InterpreterMaker>(*platform, *cores.front());
  interpreter->look();
  for (exec::Core* const core : core_pointers) {
    threads.emplace_back([core]() noexcept { core->run(); });
  }
  durable->start();
  return {};
}

Result<void> Server::Impl::listen() {
  CANOPY_TRY(const ListenAddress address, parse_listen(options.listen));
  net::HttpServerOptions settings = server_options(options, address);
  settings.connections_max = std::max<std::size_t>(options.connections_max / lanes.size(), 1);
  settings.exclusive = true;
  settings.on_crowd_left = [this] { disk->post(give_back_memory); };
  for (const auto& lane : lanes) {
    Gateway& gateway = lane->gateway;
    CANOPY_TRY(lane->server,
               net::make_http_server(
                   lane->core.io(), settings, clock,
                   [&gateway](const net::HttpRequest& head) { return gateway.body_limit(head); },
                   [&gateway](net::HttpExchange& exchange) { return gateway.handle(exchange); }));
    gateway.set_server(lane->server.get());
    settings.port = lane->server->port();
    settings.exclusive = false;
  }
  return {};
}

Result<void> Server::Impl::listen_for(Protocol& protocol, const std::string& address) {
  CANOPY_TRY(const ListenAddress parsed, parse_listen(address));
  net::HttpServerOptions settings = server_options(options, parsed);
  settings.connections_max = std::max<std::size_t>(options.connections_max / lanes.size(), 1);
  settings.exclusive = true;
  for (const auto& lane : lanes) {
    Gateway& gateway = lane->gateway;
    const auto limit = [&gateway, &protocol](const net::HttpRequest& head) {
      return gateway.body_limit(head, protocol);
    };
    const auto serve = [&gateway, &protocol](net::HttpExchange& exchange) {
      return gateway.serve_protocol(exchange, protocol);
    };
    CANOPY_TRY(auto server, net::make_http_server(lane->core.io(), settings, clock, limit, serve));
    settings.port = server->port();
    settings.exclusive = false;
    lane->others.push_back(std::move(server));
  }
  other_urls.push_back(url_text(options, parsed.host, settings.port));
  return {};
}

// Where keys are demanded and there is nobody to have one, the first start makes an administrator.
Result<void> Server::Impl::make_admin() {
  store::Users& users = catalog->users();
  const auto accounts = users.snapshot();
  const bool missing = accounts->users.empty() && policy::demands_keys(place, false);
  if (!missing && !options.new_admin_key) return {};
  const crypto::NewApiKey fresh = crypto::make_api_key();
  Key key = draft_key(fresh);
  key.role = Role::admin;
  key.label = missing ? "first start" : "--new-admin-key";
  new_admin_key = fresh.text;
  const store::Actor actor{.user = "canopy up", .key = ""};
  for (const auto& [name, user] : accounts->users) {
    if (user->role != Role::admin || user->disabled) continue;
    key.user = user->id;
    CANOPY_TRY_VOID(users.add_key(key, actor));
    return {};
  }
  User admin;
  admin.name = "admin";
  admin.role = Role::admin;
  if (!accounts->owners.contains("default")) admin.spaces = {"default"};
  const auto added = users.add_user(admin, key, actor);
  if (added) return {};
  // Another server with the same store has just done it, and has told its key.
  if (missing && added.error().code == Code::conflict) new_admin_key.clear();
  return new_admin_key.empty() ? Result<void>() : tl::unexpected(added.error());
}

bool Server::Impl::wait_until_idle(Duration timeout) {
  struct Waiting {
    std::mutex mutex;
    std::condition_variable changed;
    std::size_t busy_count = 0;
  };
  const auto waiting = std::make_shared<Waiting>();
  waiting->busy_count = lanes.size();
  const auto idle = [waiting] {
    const std::lock_guard lock(waiting->mutex);
    --waiting->busy_count;
    waiting->changed.notify_all();
  };
  on_each_lane([idle](Lane& lane) { lane.tell_when_idle(idle); });
  std::unique_lock lock(waiting->mutex);
  return waiting->changed.wait_for(lock, timeout, [&waiting] { return waiting->busy_count == 0; });
}

void Server::Impl::stop() {
  if (std::exchange(stopped, true) || !platform) return;
  platform->draining = true;
  templates->stop();
  // Before the calls are ended: what has not ended by now goes back to the log, and runs after the next
  // start.
  if (durable) durable->stop();
  for (const auto& [name, runtime] : runtimes) runtime->stop();
  if (!threads.empty()) {
    on_each_lane([](Lane& lane) {
      lane.stop_listening();
      lane.abort();
      lane.gateway.caller().cancel_all();
    });
    feed.wake_all();
    if (!wait_until_idle(stop_timeout)) log::error("some calls did not end when the server stopped");
  }
  for (exec::Core* const core : core_pointers) core->stop();
  threads.clear();
  if (cluster) cluster->stop();  // Workers that ask for code are answered on the disk pool.
  if (traces) traces->stop();
  for (Protocol* const protocol : platform->protocols) protocol->stop();
  for (const auto& lane : lanes) ledger.put(lane->gateway.caller().meter().take(clock.wall_now()));
  // Their last work refers to what is destroyed after them; and what the disk pool finds not to be compiled
  // goes on to the other.
  disk.reset();
  passwords.reset();
  compile.reset();
  if (const auto written = ledger.write(catalog->users(), clock.wall_now()); !written) {
    log::error("{}", written.error().message);
  }
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

Result<std::unique_ptr<Server>> Server::start(ServerParts parts, const Clock& clock) {
  CANOPY_TRY_VOID(check_options(parts.options));
  const auto make_runtimes = std::move(parts.make_runtimes);
  auto impl = std::make_unique<Impl>(std::move(parts), clock);
  CANOPY_TRY_VOID(impl->start(make_runtimes));
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

std::uint16_t Server::port() const { return impl_->lanes.front()->server->port(); }

std::string Server::url() const {
  const auto address = parse_listen(impl_->options.listen);
  return url_text(impl_->options, address ? address->host : "127.0.0.1", port());
}

const std::vector<std::string>& Server::other_urls() const { return impl_->other_urls; }

std::string Server::node_address() const {
  return impl_->cluster ? impl_->cluster->address() : std::string();
}

std::size_t Server::core_count() const { return impl_->cores.size(); }
std::size_t Server::function_count() const { return impl_->catalog->snapshot()->functions.size(); }

bool Server::drain(Duration timeout) {
  impl_->platform->draining = true;
  impl_->on_each_lane([](const Lane& lane) { lane.stop_listening(); });
  impl_->feed.wake_all();
  const Time until = impl_->clock.now() + timeout;
  impl_->durable->drain(timeout);
  return impl_->wait_until_idle(std::max(until - impl_->clock.now(), Duration::zero()));
}

const std::string& Server::new_admin_key() const { return impl_->new_admin_key; }

void Server::stop() { impl_->stop(); }

}  // namespace canopy::api

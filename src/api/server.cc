#include "api/server.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include <malloc.h>

#include "api/alarm.h"
#include "api/compile_queue.h"
#include "api/durable_engine.h"
#include "api/gateway.h"
#include "api/interpreter.h"
#include "api/keys.h"
#include "api/nodes.h"
#include "api/stores.h"
#include "api/usage.h"
#include "base/log.h"
#include "net/http_server.h"
#include "scale/autoscaler.h"

namespace canopy::api {
namespace {

constexpr std::size_t disk_thread_count = 4;
constexpr std::size_t password_queue_max = 16;
constexpr Duration sweep_period = std::chrono::hours(1);
constexpr Duration purge_period = std::chrono::seconds(15);
constexpr Duration trim_period = std::chrono::seconds(1);
constexpr std::size_t trim_above_bytes = 16 * MiB;
constexpr Duration idle_check_period = std::chrono::milliseconds(2);
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

// What one core does, and how the server's own thread learns that it has nothing left to do.
struct Lane {
  Lane(Platform& platform, exec::Core& own) : core(own), gateway(platform, own), alarm(own) {}

  exec::Core& core;
  Gateway gateway;
  Alarm alarm;
  std::unique_ptr<net::HttpServer> server;
  std::vector<std::unique_ptr<net::HttpServer>> others;  // Of protocols that listen elsewhere.

  bool is_idle() {
    const auto idle = [](const auto& one) { return one->connection_count() == 0; };
    return idle(server) && std::ranges::all_of(others, idle) && gateway.caller().running_count() == 0;
  }
  void stop_listening() const {
    server->stop();
    for (const auto& other : others) other->stop();
  }
  void abort() const {
    server->abort();
    for (const auto& other : others) other->abort();
  }

  // On the core: calls `idle` once when it is.
  void tell_when_idle(const std::function<void()>& idle) {
    if (is_idle()) return idle();
    alarm.set(core.clock().now() + idle_check_period, [this, idle] { tell_when_idle(idle); });
  }
};

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

// The C library keeps what was freed between pieces still in use, for ever: after ten thousand connections or
// a large upload that would be all they had.
void give_back_memory() {
  const struct mallinfo2 info = mallinfo2();
  if (info.fordblks > trim_above_bytes) malloc_trim(0);
}

}  // namespace

struct Server::Impl {
  Impl(ServerParts parts, const Clock& clock_in)
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

  ~Impl() {
    stop();
    if (cluster) cluster->stop();  // Of a start that failed, too.
  }

  Result<void> start(const std::function<Result<Runtimes>(const RuntimeParts&)>& make_runtimes);
  Result<void> listen();
  Result<void> listen_for(Protocol& protocol, const std::string& address);
  void plan_sweep();
  void sweep_made();
  void plan_trim();
  void plan_flush();
  Result<void> make_admin();
  void plan_purge();
  Result<void> begin_scaling();
  void plan_scaling(Duration after);
  bool wait_until_idle(Duration timeout);
  void stop();

  template <class Work>
  void on_each_lane(const Work& work) {
    for (const auto& lane : lanes) {
      lane->core.post([lane = lane.get(), work] { work(*lane); });
    }
  }

  const Clock& clock;
  const Options options;
  const std::string program_version;
  policy::Place place;
  std::unique_ptr<store::Catalog> catalog;
  std::unique_ptr<store::CallLog> call_log;
  const std::vector<std::unique_ptr<Protocol>> protocols;
  store::Records records;
  std::unique_ptr<trace::Exporter> traces;
  Feed feed;
  Ledger ledger;
  PlacesByName places;
  std::optional<Owners> owners;
  std::string new_admin_key;
  std::vector<std::string> other_urls;
  std::vector<std::unique_ptr<exec::Core>> cores;
  std::vector<exec::Core*> core_pointers;
  std::shared_ptr<scale::Fleet> fleet;
  std::shared_ptr<scale::Cluster> cluster;
  Runtimes runtimes;
  std::optional<Templates> templates;
  std::optional<CompileQueue> compile;
  std::optional<net::BlockingPool> disk;
  std::optional<net::BlockingPool> passwords;
  std::unique_ptr<Platform> platform;
  std::vector<std::unique_ptr<Lane>> lanes;
  std::unique_ptr<DurableEngine> durable;
  std::unique_ptr<Alarm> sweep_alarm;
  std::unique_ptr<Alarm> purge_alarm;
  std::unique_ptr<Alarm> trim_alarm;
  std::unique_ptr<Alarm> flush_alarm;
  std::unique_ptr<Alarm> scale_alarm;
  std::unique_ptr<InterpreterMaker> interpreter;
  std::optional<scale::Autoscaler> scaler;
  std::vector<std::jthread> threads;
  bool stopped = false;
};

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

void Server::Impl::plan_sweep() {
  sweep_alarm->set(clock.now() + sweep_period, [this] {
    const auto sweep = [this] {
      const auto freed = catalog->sweep();
      if (!freed) log::warn("cannot sweep unused code: {}", freed.error().message);
      if (freed && *freed > 0) log::info("swept {} of code that no version names", size_text(*freed));
      sweep_made();
    };
    disk->post(sweep);  // If the queue is full there is another time.
    plan_sweep();
  });
}

// What was made of earlier versions can be made again, should one of them come back.
void Server::Impl::sweep_made() {
  std::set<std::string> names;
  for (const auto& [name, function] : catalog->snapshot()->functions) {
    const auto runtime = runtimes.find(function->runtime);
    if (runtime != runtimes.end()) names.insert(runtime->second->made_name(*function));
  }
  for (const auto& [name, runtime] : runtimes) {
    const auto freed = runtime->sweep(names, sweep_period);
    if (!freed) log::warn("cannot sweep what was compiled: {}", freed.error().message);
    if (freed && *freed > 0) log::info("swept {} of compiled code that nobody uses", size_text(*freed));
  }
}

void Server::Impl::plan_trim() {
  trim_alarm->set(clock.now() + trim_period, [this] {
    disk->post(give_back_memory);  // If the queue is full there is another time.
    plan_trim();
  });
}

void Server::Impl::plan_flush() {
  flush_alarm->set(clock.now() + flush_period, [this] {
    on_each_lane([this](Lane& lane) { flush_usage(*platform, lane.core); });
    plan_flush();
  });
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

void Server::Impl::plan_purge() {
  purge_alarm->set(clock.now() + purge_period, [this] {
    durable->purge();
    plan_purge();
  });
}

Result<void> Server::Impl::begin_scaling() {
  const auto publish = [this](const Node& node) {
    feed.publish({.kind = Happening::Kind::node_changed, .function = {}, .call = {}, .text = {}},
                 [&node] { return node_json(node); });
  };
  if (cluster) cluster->listen(publish);
  if (!fleet) return {};
  fleet->listen(publish);
  CANOPY_TRY(const WorkerRange range, parse_workers(options.workers));
  if (range.min == range.max) return {};
  CANOPY_TRY(const policy::ScaleRule rule, policy::parse_scale_rule(options.scale));
  const auto backlog = [this]() -> std::optional<std::uint64_t> {
    const store::CallLogStats stats = call_log->stats();
    return stats.waiting_count - std::min(stats.delayed_count, stats.waiting_count);
  };
  scaler.emplace(*fleet, backlog,
                 policy::ScaleSettings{.rule = rule,
                                       .worker_min = range.min,
                                       .worker_max = range.max,
                                       .delay = options.scale_delay,
                                       .cool_down = options.scale_cool_down});
  scale_alarm = std::make_unique<Alarm>(*cores.front());
  plan_scaling(Duration::zero());
  return {};
}

void Server::Impl::plan_scaling(Duration after) {
  scale_alarm->set(clock.now() + after, [this] { plan_scaling(scaler->tick()); });
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

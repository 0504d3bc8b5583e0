#include "container/docker.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <utility>

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/units.h"
#include "container/bundle.h"
#include "container/docker_client.h"
#include "container/door.h"
#include "container/folder_tar.h"
#include "container/seccomp.h"
#include "wire/json_find.h"
#include "wire/json_writer.h"

namespace canopy::container {
namespace {

namespace fs = std::filesystem;

constexpr Duration ask_timeout = std::chrono::seconds(30);
constexpr Duration look_timeout = std::chrono::seconds(1);
constexpr Duration image_timeout = std::chrono::minutes(5);
constexpr std::string_view label = "canopy.data";
constexpr std::size_t piece_bytes = 64 * KiB;
constexpr int pieces_per_round = 16;
constexpr int status_of_signal = 128;

std::string image_of(const std::string& name) { return "canopy-" + name; }

// In its own words, where it has any.
tl::unexpected<Error> refused(std::string_view what, const DockerReply& reply) {
  std::string words = wire::find_text(reply.body, "message");
  if (words.empty()) words = "status " + std::to_string(reply.status);
  // 400 and 404 are about the command; 409 and 500 about Docker.
  const bool is_ours = reply.status == 400 || reply.status == 404;
  return fail(is_ours ? Code::refused : Code::unavailable,
              std::string(what) + ": Docker says: " + log_safe(words, 1000));
}

class DockerContainer final : public Started {
 public:
  DockerContainer(const DockerClient& client, std::string id) : client_(client), id_(std::move(id)) {}
  ~DockerContainer() override { remove(); }

  Result<void> begin(bool has_input) {
    const std::string streams = std::string("stream=1&stdout=1&stderr=1") + (has_input ? "&stdin=1" : "");
    CANOPY_TRY(streams_, client_.upgrade("/containers/" + id_ + "/attach?" + streams, ask_timeout));
    has_input_ = has_input;
    CANOPY_TRY(end_, client_.wait_for_end(id_, ask_timeout));
    CANOPY_TRY(const DockerReply started,
               client_.ask("POST", "/containers/" + id_ + "/start", "", ask_timeout));
    if (started.status != 204) return refused("the container cannot be started", started);
    CANOPY_TRY(const DockerReply state, client_.ask("GET", "/containers/" + id_ + "/json", "", ask_timeout));
    process_ = static_cast<pid_t>(wire::find_number(state.body, "State", "Pid").value_or(0));
    if (process_ <= 0) return {};  // It has ended already.
    pidfd_ = Descriptor(
        static_cast<int>(syscall(SYS_pidfd_open, process_, 0)));  // NOLINT(cppcoreguidelines-pro-type-vararg)
    if (auto door = Door::open(process_)) door_.emplace(*std::move(door));
    return {};
  }

  pid_t process() const override { return process_; }

  Result<Descriptor> connect(std::uint16_t port) const override {
    if (door_) return door_->connect(port);
    return fail(Code::unavailable, "the container has ended");
  }
  Result<Descriptor> listen(std::uint16_t port) const override {
    if (door_) return door_->listen(port);
    return fail(Code::unavailable, "the container has ended");
  }

  // One connection carries both ways: the input ends when its writing end does.
  Descriptor take_input() override {
    if (!std::exchange(has_input_, false)) return {};
    return Descriptor(dup(streams_.connection.get()));
  }
  void end_input() override { shutdown(streams_.connection.get(), SHUT_WR); }

  std::vector<int> outputs() const override { return {streams_.connection.get()}; }

  Progress read_output(const OnOutput& on_output) override {
    if (!streams_.early.empty()) frames_.put(std::exchange(streams_.early, {}), on_output);
    for (int i = 0; i < pieces_per_round; ++i) {
      std::array<char, piece_bytes> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init)
      const ssize_t got = recv(streams_.connection.get(), piece.data(), piece.size(), MSG_DONTWAIT);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return Progress::wait;
      if (got <= 0) return Progress::end;
      if (!frames_.put({piece.data(), static_cast<std::size_t>(got)}, on_output)) return Progress::end;
    }
    return Progress::more;
  }

  int end_descriptor() const override { return end_.connection(); }

  std::optional<End> take_end() override {
    if (has_ended_) return std::nullopt;
    const auto body = end_.poll();
    if (!body) return std::nullopt;
    has_ended_ = true;
    End end{.status = docker_status(*body), .out_of_memory = false};
    if (end.status != SIGKILL) return end;
    // It knows by whom; it answers within a millisecond or two.
    const auto state = client_.ask("GET", "/containers/" + id_ + "/json", "", look_timeout);
    end.out_of_memory = state && wire::find_flag(state->body, "State", "OOMKilled");
    return end;
  }

  void stop(Duration grace) override {
    if (grace.count() <= 0) return signal(SIGKILL);
    // Docker does it behind this connection, which stays open meanwhile.
    const auto wait = std::chrono::ceil<std::chrono::seconds>(grace).count();
    stopping_ = client_.post_only("/containers/" + id_ + "/stop?t=" + std::to_string(wait));
    if (!stopping_) signal(SIGKILL);
  }

  void remove() override {
    if (std::exchange(is_removed_, true)) return;
    const auto removed = client_.ask("DELETE", "/containers/" + id_ + "?force=1&v=1", "", ask_timeout);
    if (removed && (removed->status == 204 || removed->status == 404)) return;
    log::warn("a container cannot be removed: {}",
              removed ? log_safe(removed->body) : log_safe(removed.error().message));
  }

 private:
  void signal(int number) const {
    if (pidfd_) syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
  }

  const DockerClient& client_;
  const std::string id_;
  DockerClient::Upgraded streams_;
  DockerStream frames_;
  DockerClient::Waiting end_;
  Descriptor stopping_;
  Descriptor pidfd_;
  std::optional<Door> door_;
  pid_t process_ = 0;
  bool has_input_ = false;
  bool has_ended_ = false;
  bool is_removed_ = false;
};

class DockerEngine final : public Engine {
 public:
  DockerEngine(fs::path socket, std::string owner)
      : path_(socket.string()), client_(std::move(socket)), owner_(std::move(owner)) {}

  std::string_view name() const override { return "docker"; }

  Result<void> check() override {
    if (geteuid() != 0) {
      return fail(Code::unavailable,
                  "container functions need a server that runs as root, to enter their networks");
    }
    const auto said = client_.ask("GET", "/_ping", "", ask_timeout);
    if (said && said->status == 200) return {};
    return fail(Code::unavailable, "container functions by Docker need its daemon, and none answers at " +
                                       path_ + ": start dockerd, or name its socket with --docker-socket");
  }

  Result<void> add_image(const std::string& image, const fs::path& root) override {
    CANOPY_TRY(const DockerReply there,
               client_.ask("GET", "/images/" + image_of(image) + ":latest/json", "", ask_timeout));
    if (there.status == 200) return {};
    CANOPY_TRY(FolderTar archive, FolderTar::open(root));
    CANOPY_TRY(const DockerReply made, client_.send(
                                           "/images/create?fromSrc=-&repo=" + image_of(image) + "&tag=latest",
                                           [&archive] { return archive.next(); }, image_timeout));
    // An error may come behind a good status, as one of the lines.
    if (made.status == 200 && made.body.find("\"errorDetail\"") == std::string::npos) return {};
    return fail(Code::unavailable, "Docker does not take the image: " + log_safe(made.body, 1000));
  }

  void drop_image(const std::string& image) override {
    static_cast<void>(
        client_.ask("DELETE", "/images/" + image_of(image) + ":latest?force=1", "", ask_timeout));
  }

  Result<std::unique_ptr<Started>> start(const Plan& plan) override {
    const auto create = [&] {
      return client_.ask("POST", "/containers/create?name=canopy-" + plan.id, docker_container(plan, owner_),
                         ask_timeout);
    };
    CANOPY_TRY(DockerReply made, create());
    if (made.status == 404) {  // Somebody has pruned Docker's images meanwhile.
      CANOPY_TRY_VOID(add_image(plan.image, plan.root));
      CANOPY_TRY(made, create());
    }
    if (made.status != 201) return refused("the container cannot be made", made);
    auto started = std::make_unique<DockerContainer>(client_, wire::find_text(made.body, "Id"));
    CANOPY_TRY_VOID(started->begin(plan.has_input));
    return started;
  }

  Result<std::size_t> remove_orphans() override {
    const std::string filter = "%7B%22label%22%3A%5B%22" + std::string(label) + "%3D" + owner_ + "%22%5D%7D";
    CANOPY_TRY(const DockerReply list,
               client_.ask("GET", "/containers/json?all=1&filters=" + filter, "", ask_timeout));
    if (list.status != 200) return refused("the containers of an earlier server cannot be listed", list);
    const std::vector<std::string> ids = wire::find_texts(list.body, "Id");
    for (const std::string& id : ids) {
      CANOPY_TRY_VOID(client_.ask("DELETE", "/containers/" + id + "?force=1&v=1", "", ask_timeout));
    }
    return ids.size();
  }

 private:
  const std::string path_;
  const DockerClient client_;
  const std::string owner_;
};

}  // namespace

std::string docker_container(const Plan& plan, const std::string& owner) {
  using std::chrono::duration_cast;
  using std::chrono::microseconds;
  wire::JsonWriter json;
  const auto words = [&json](std::string_view key, const std::vector<std::string>& list) {
    json.key(key);
    json.begin_array();
    for (const std::string& word : list) json.value(word);
    json.end_array();
  };
  json.begin_object();
  json.member("Image", image_of(plan.image));
  words("Entrypoint", plan.command);
  words("Cmd", {});
  words("Env", plan.env);
  json.member("WorkingDir", plan.folder);
  json.member("User", std::to_string(plan.user) + ":" + std::to_string(plan.group));
  json.member("OpenStdin", plan.has_input);
  json.member("StdinOnce", plan.has_input);
  json.member("AttachStdin", plan.has_input);
  json.member("AttachStdout", true);
  json.member("AttachStderr", true);
  json.member("Tty", false);
  json.key("Labels");
  json.begin_object();
  json.member(label, owner);
  json.end_object();
  json.key("HostConfig");
  json.begin_object();
  json.member("Memory", plan.memory_bytes);
  json.member("MemorySwap", plan.memory_bytes);
  json.member("CpuPeriod", duration_cast<microseconds>(plan.cpu_period).count());
  json.member("CpuQuota", duration_cast<microseconds>(plan.cpu_quota).count());
  json.member("PidsLimit", plan.processes);
  json.member("ReadonlyRootfs", true);
  words("CapDrop", {"ALL"});
  words("SecurityOpt", {"no-new-privileges", "seccomp=" + seccomp_rules()});
  const auto hidden = hidden_paths();
  words("MaskedPaths", {hidden.begin(), hidden.end()});
  json.member("CgroupnsMode", "private");
  json.member("NetworkMode", "none");
  json.member("ShmSize", std::min<std::uint64_t>(plan.tmp_bytes, 64 * MiB));
  json.key("Tmpfs");
  json.begin_object();
  json.member("/tmp", "rw,nosuid,nodev,mode=1777,size=" + std::to_string(plan.tmp_bytes));
  json.end_object();
  json.key("Ulimits");
  json.begin_array();
  const std::array<std::pair<std::string_view, std::uint32_t>, 2> limits = {
      {{"nofile", plan.open_files}, {"core", 0}}};
  for (const auto& [name, most] : limits) {
    json.begin_object();
    json.member("Name", name);
    json.member("Soft", most);
    json.member("Hard", most);
    json.end_object();
  }
  json.end_array();
  json.key("LogConfig");
  json.begin_object();
  json.member("Type", "none");
  json.end_object();
  json.end_object();
  json.end_object();
  return json.take_text();
}

int docker_status(std::string_view said) {
  const auto status = wire::find_number(said, "StatusCode");
  if (!status) return SIGKILL;
  const bool is_signal = *status > status_of_signal && *status <= status_of_signal + SIGRTMAX;
  return static_cast<int>(is_signal ? *status - status_of_signal : (*status & 0xff) << 8);
}

std::unique_ptr<Engine> make_docker_engine(fs::path socket, std::string owner) {
  return std::make_unique<DockerEngine>(std::move(socket), std::move(owner));
}

}  // namespace canopy::container

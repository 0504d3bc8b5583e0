#include "worker/remote.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "policy/place.h"

namespace canopy::worker {
namespace {

bool is_same(const Function& a, const Function& b) {
  return a.version == b.version && a.name == b.name && a.digest == b.digest && a.env == b.env &&
         a.limits == b.limits && a.runtime == b.runtime && a.files == b.files;
}

using Definitions = std::vector<std::unique_ptr<Definition>>;

// Those none of whose calls runs, here and in the workers.
void forget_idle(Crew& crew, Definitions& definitions) {
  std::erase_if(definitions, [&crew](const auto& definition) {
    if (definition->call_count > 0) return false;
    crew.forget(*definition);
    return true;
  });
}

class RemoteInstance final : public exec::Instance, public RemoteCall {
 public:
  RemoteInstance(std::shared_ptr<exec::Template> from, Crew& crew, Definitions& definitions,
                 policy::Dispatch way)
      : RemoteCall(crew), from_(std::move(from)), definitions_(definitions) {
    way_ = way;
  }
  ~RemoteInstance() override { abandon(); }
  RemoteInstance(const RemoteInstance&) = delete;
  RemoteInstance& operator=(const RemoteInstance&) = delete;

  net::Task<Reply> run(Call& call) override {
    CANOPY_CHECK(call_ == nullptr);
    call_ = &call;
    definition_ = &define(*call.function);
    crew_.begin(*this);
    co_await done_.wait();
    co_return std::move(reply_);
  }

  void cancel() override {
    if (call_ != nullptr) crew_.cancel(*this);
  }

 private:
  // Compared as a whole, since a function's secrets change without its version; there are hardly ever two, as
  // those that came before are forgotten.
  Definition& define(const Function& function) {
    for (const auto& known : definitions_) {
      if (is_same(known->function, function)) return *known;
    }
    forget_idle(crew_, definitions_);
    definitions_.push_back(std::make_unique<Definition>(Definition{
        .number = crew_.next_definition(), .key = policy::hash_of(function.digest), .function = function}));
    return *definitions_.back();
  }

  const std::shared_ptr<exec::Template> from_;  // The definitions are its.
  Definitions& definitions_;
};

class RemoteTemplate final : public exec::Template, public std::enable_shared_from_this<RemoteTemplate> {
 public:
  // `crews`, which outlives it, by core index.
  RemoteTemplate(std::shared_ptr<exec::Template> local, const std::vector<Crew*>& crews)
      : local_(std::move(local)), crews_(crews), definitions_(crews.size()) {}

  std::unique_ptr<exec::Instance> start(exec::Core& core) override {
    return start(core, policy::Dispatch::push);
  }
  std::unique_ptr<exec::Instance> start(exec::Core& core, policy::Dispatch way) {
    return std::make_unique<RemoteInstance>(shared_from_this(), *crews_.at(core.index()),
                                            definitions_.at(core.index()), way);
  }

  // What a worker holds of it is counted there.
  std::uint64_t resident_bytes() const override { return 0; }
  std::uint64_t resident_bytes(const exec::Core& core) const override {
    return definitions_.at(core.index()).size() * sizeof(Definition);
  }

  void unload(exec::Core& core) override {
    forget_idle(*crews_.at(core.index()), definitions_.at(core.index()));
  }

 private:
  const std::shared_ptr<exec::Template> local_;  // Held, so that it is not made anew for each core.
  const std::vector<Crew*>& crews_;
  std::vector<Definitions> definitions_;  // By core index.
};

// Decides when it has the call, since a template may be that of several functions.
class DispatchInstance final : public exec::Instance {
 public:
  DispatchInstance(std::shared_ptr<exec::Template> local, std::shared_ptr<RemoteTemplate> remote,
                   exec::Core& core, const ChooseWay& choose)
      : local_(std::move(local)), remote_(std::move(remote)), core_(core), choose_(choose) {}

  net::Task<Reply> run(Call& call) override {
    const policy::Dispatch way = choose_(*call.function);
    chosen_ = way == policy::Dispatch::local ? local_->start(core_) : remote_->start(core_, way);
    return chosen_->run(call);
  }

  void cancel() override {
    if (chosen_) chosen_->cancel();
  }

 private:
  const std::shared_ptr<exec::Template> local_;
  const std::shared_ptr<RemoteTemplate> remote_;
  exec::Core& core_;
  const ChooseWay& choose_;
  std::unique_ptr<exec::Instance> chosen_;
};

class DispatchTemplate final : public exec::Template {
 public:
  DispatchTemplate(std::shared_ptr<exec::Template> local, const std::vector<Crew*>& crews,
                   const ChooseWay& choose)
      : local_(std::move(local)), remote_(std::make_shared<RemoteTemplate>(local_, crews)), choose_(choose) {}

  std::unique_ptr<exec::Instance> start(exec::Core& core) override {
    return std::make_unique<DispatchInstance>(local_, remote_, core, choose_);
  }
  std::uint64_t resident_bytes() const override { return local_->resident_bytes(); }
  std::uint64_t resident_bytes(const exec::Core& core) const override {
    return local_->resident_bytes(core) + remote_->resident_bytes(core);
  }
  void unload(exec::Core& core) override {
    local_->unload(core);
    remote_->unload(core);
  }

 private:
  const std::shared_ptr<exec::Template> local_;
  const std::shared_ptr<RemoteTemplate> remote_;
  const ChooseWay& choose_;
};

// Checks, compiles and keeps as the one it wraps does.
class WrappedRuntime : public exec::Runtime {
 public:
  explicit WrappedRuntime(std::unique_ptr<exec::Runtime> local) : local_(std::move(local)) {}

  std::string_view name() const override { return local_->name(); }
  Result<void> check(const Function& function, std::string_view code) override {
    return local_->check(function, code);
  }
  void bind(Function& function, std::string_view code) override { local_->bind(function, code); }
  std::shared_ptr<exec::Template> find(const Function& function) override {
    auto found = local_->find(function);
    return found ? wrap(std::move(found)) : nullptr;
  }
  Result<std::shared_ptr<exec::Template>> prepare(const Function& function) override {
    CANOPY_TRY(auto made, local_->prepare(function));
    return wrap(std::move(made));
  }
  void stop() override { local_->stop(); }
  // What stands here is not all there is.
  std::optional<exec::Standing> standing(const Function& /*function*/) override { return std::nullopt; }
  std::string made_name(const Function& function) const override { return local_->made_name(function); }
  Result<std::uint64_t> sweep(const std::set<std::string>& names, Duration age) override {
    return local_->sweep(names, age);
  }

 protected:
  virtual std::shared_ptr<exec::Template> wrap(std::shared_ptr<exec::Template> local) = 0;

 private:
  const std::unique_ptr<exec::Runtime> local_;
};

class RemoteRuntime final : public WrappedRuntime {
 public:
  RemoteRuntime(std::unique_ptr<exec::Runtime> local, std::vector<Crew*> crews)
      : WrappedRuntime(std::move(local)), crews_(std::move(crews)) {}

 private:
  std::shared_ptr<exec::Template> wrap(std::shared_ptr<exec::Template> local) override {
    return std::make_shared<RemoteTemplate>(std::move(local), crews_);
  }

  const std::vector<Crew*> crews_;
};

class DispatchRuntime final : public WrappedRuntime {
 public:
  DispatchRuntime(std::unique_ptr<exec::Runtime> local, std::vector<Crew*> crews, ChooseWay choose)
      : WrappedRuntime(std::move(local)), crews_(std::move(crews)), choose_(std::move(choose)) {}

 private:
  std::shared_ptr<exec::Template> wrap(std::shared_ptr<exec::Template> local) override {
    return std::make_shared<DispatchTemplate>(std::move(local), crews_, choose_);
  }

  const std::vector<Crew*> crews_;
  const ChooseWay choose_;
};

class RelayRuntime final : public exec::PlainRuntime {
 public:
  RelayRuntime(exec::Core& core, Crew& crew) : core_(core), crews_(core.index() + 1) {
    crews_.back() = &crew;
  }

  std::string_view name() const override { return "relay"; }
  Result<void> check(const Function& /*function*/, std::string_view /*code*/) override {
    return fail(Code::refused, "a balancer looks at no code");
  }
  // When the last that has it lets go, those below forget the function, too.
  std::shared_ptr<exec::Template> find(const Function& /*function*/) override {
    const auto forget = [&core = core_](RemoteTemplate* made) {
      made->unload(core);
      delete made;  // NOLINT(cppcoreguidelines-owning-memory): a deleter's work
    };
    return {new RemoteTemplate(nullptr, crews_), forget};
  }
  Result<std::shared_ptr<exec::Template>> prepare(const Function& function) override {
    return find(function);
  }

 private:
  exec::Core& core_;
  std::vector<Crew*> crews_;  // By core index; its own alone.
};

}  // namespace

std::unique_ptr<exec::Runtime> make_relay_runtime(exec::Core& core, Crew& crew) {
  return std::make_unique<RelayRuntime>(core, crew);
}

std::unique_ptr<exec::Runtime> make_remote_runtime(std::unique_ptr<exec::Runtime> local,
                                                   std::vector<Crew*> crews) {
  return std::make_unique<RemoteRuntime>(std::move(local), std::move(crews));
}

std::unique_ptr<exec::Runtime> make_dispatch_runtime(std::unique_ptr<exec::Runtime> local,
                                                     std::vector<Crew*> crews, ChooseWay choose) {
  return std::make_unique<DispatchRuntime>(std::move(local), std::move(crews), std::move(choose));
}

}  // namespace canopy::worker

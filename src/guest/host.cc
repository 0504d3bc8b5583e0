#include "guest/host.h"

#include <utility>

#include "guest/binding.h"
#include "guest/host_folder.h"
#include "guest/sdk_calls.h"
#include "guest/state.h"
#include "guest/wasi_calls.h"

namespace canopy::guest {
namespace {

std::vector<wasm::Import> wasi_imports() {
  constexpr std::string_view wasi = "wasi_snapshot_preview1";
  constexpr bool may_wait = true;
  return {
      bind<&Wasi::args_get>(wasi, "args_get"),
      bind<&Wasi::args_sizes_get>(wasi, "args_sizes_get"),
      bind<&Wasi::environ_get>(wasi, "environ_get"),
      bind<&Wasi::environ_sizes_get>(wasi, "environ_sizes_get"),
      bind<&Wasi::clock_res_get>(wasi, "clock_res_get"),
      bind<&Wasi::clock_time_get>(wasi, "clock_time_get"),
      bind<&Wasi::fd_advise>(wasi, "fd_advise"),
      bind<&Wasi::fd_allocate>(wasi, "fd_allocate"),
      bind<&Wasi::fd_close>(wasi, "fd_close"),
      bind<&Wasi::fd_datasync>(wasi, "fd_datasync"),
      bind<&Wasi::fd_fdstat_get>(wasi, "fd_fdstat_get"),
      bind<&Wasi::fd_fdstat_set_flags>(wasi, "fd_fdstat_set_flags"),
      bind<&Wasi::fd_fdstat_set_rights>(wasi, "fd_fdstat_set_rights"),
      bind<&Wasi::fd_filestat_get>(wasi, "fd_filestat_get"),
      bind<&Wasi::fd_filestat_set_size>(wasi, "fd_filestat_set_size"),
      bind<&Wasi::fd_filestat_set_times>(wasi, "fd_filestat_set_times"),
      bind<&Wasi::fd_pread>(wasi, "fd_pread"),
      bind<&Wasi::fd_prestat_get>(wasi, "fd_prestat_get"),
      bind<&Wasi::fd_prestat_dir_name>(wasi, "fd_prestat_dir_name"),
      bind<&Wasi::fd_pwrite>(wasi, "fd_pwrite"),
      bind<&Wasi::fd_read>(wasi, "fd_read"),
      bind<&Wasi::fd_readdir>(wasi, "fd_readdir"),
      bind<&Wasi::fd_renumber>(wasi, "fd_renumber"),
      bind<&Wasi::fd_seek>(wasi, "fd_seek"),
      bind<&Wasi::fd_sync>(wasi, "fd_sync"),
      bind<&Wasi::fd_tell>(wasi, "fd_tell"),
      bind<&Wasi::fd_write>(wasi, "fd_write"),
      bind<&Wasi::path_create_directory>(wasi, "path_create_directory"),
      bind<&Wasi::path_filestat_get>(wasi, "path_filestat_get"),
      bind<&Wasi::path_filestat_set_times>(wasi, "path_filestat_set_times"),
      bind<&Wasi::path_link>(wasi, "path_link"),
      bind<&Wasi::path_open>(wasi, "path_open"),
      bind<&Wasi::path_readlink>(wasi, "path_readlink"),
      bind<&Wasi::path_remove_directory>(wasi, "path_remove_directory"),
      bind<&Wasi::path_rename>(wasi, "path_rename"),
      bind<&Wasi::path_symlink>(wasi, "path_symlink"),
      bind<&Wasi::path_unlink_file>(wasi, "path_unlink_file"),
      bind<&Wasi::poll_oneoff>(wasi, "poll_oneoff", may_wait),
      bind<&Wasi::proc_exit>(wasi, "proc_exit"),
      bind<&Wasi::proc_raise>(wasi, "proc_raise"),
      bind<&Wasi::random_get>(wasi, "random_get", may_wait),
      bind<&Wasi::sched_yield>(wasi, "sched_yield"),
      bind<&Wasi::sock_accept>(wasi, "sock_accept"),
      bind<&Wasi::sock_recv>(wasi, "sock_recv"),
      bind<&Wasi::sock_send>(wasi, "sock_send"),
      bind<&Wasi::sock_shutdown>(wasi, "sock_shutdown"),
  };
}

std::vector<wasm::Import> sdk_imports() {
  constexpr std::string_view canopy = "canopy";
  constexpr std::string_view faasm = "env";
  return {
      bind<&Sdk::input_size>(canopy, "input_size"),
      bind<&Sdk::input_read>(canopy, "input_read"),
      bind<&Sdk::output_write>(canopy, "output_write"),
      bind<&Sdk::status_set>(canopy, "status_set"),
      bind<&Sdk::header_set>(canopy, "header_set"),
      bind<&Sdk::request_get>(canopy, "request_get"),
      bind<&Sdk::request_header>(canopy, "request_header"),
      bind<&Sdk::log_write>(canopy, "log_write"),
      bind<&Sdk::deadline_ms>(canopy, "deadline_ms"),
      bind<&Faasm::read_input>(faasm, "__faasm_read_input"),
      bind<&Faasm::write_output>(faasm, "__faasm_write_output"),
  };
}

}  // namespace

Result<MappedFolder> map_folder(std::string_view text) {
  const std::size_t split = text.find("::");
  const std::string_view host = text.substr(0, split);
  const std::string_view guest = split == std::string_view::npos ? host : text.substr(split + 2);
  if (host.empty() || guest.empty()) {
    return fail(Code::invalid,
                "'" + std::string(text) + "' maps no folder: write HOST::GUEST, as in .::/work");
  }
  CANOPY_TRY(std::shared_ptr<Node> node, open_host_folder(std::filesystem::path(host)));
  return MappedFolder{std::string(guest), std::move(node)};
}

wasm::Host make_host(GuestOptions options) {
  wasm::Host host;
  host.imports = wasi_imports();
  for (const wasm::Import& import : sdk_imports()) host.imports.push_back(import);
  auto setup = std::make_shared<Setup>(std::move(options));
  host.make_state = [setup](const Function& function, const Call& /*call*/) {
    return std::make_unique<State>(*setup, function);
  };
  host.warm_up = [setup](const std::vector<FunctionFile>& files) -> std::shared_ptr<const void> {
    if (files.empty() || !setup->options.load_file) return nullptr;
    auto warm = std::make_shared<std::vector<std::shared_ptr<const MappedFile>>>();
    for (const FunctionFile& file : files) {
      const auto mapped = setup->options.load_file(file.digest);
      if (!mapped) continue;  // Whoever reads it will be told.
      (*mapped)->populate();
      warm->push_back(*mapped);
    }
    return warm;
  };
  return host;
}

}  // namespace canopy::guest

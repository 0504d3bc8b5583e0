#include "wire/join_frames.h"

#include <algorithm>
#include <utility>

#include "frames.pb.h"
#include "model/function.h"
#include "wire/frame_message.h"
#include "wire/walls_message.h"

namespace canopy::wire {
namespace {

constexpr std::size_t body_bytes_max = 64 << 10;  // Of any of these; far more than one needs.
constexpr std::size_t program_size_max = 100;

template <class Message>
Result<Message> parse(std::string_view body, std::string_view what) {
  return parse_message<Message>(body, what, body_bytes_max);
}

template <class Bytes>
std::string text_of(const Bytes& bytes) {
  return {bytes.begin(), bytes.end()};
}

// False where there are not as many as it has.
template <class Bytes>
bool take_bytes(const std::string& from, Bytes& bytes) {
  if (from.size() != bytes.size()) return false;
  std::ranges::transform(from, bytes.begin(), [](char byte) { return static_cast<std::uint8_t>(byte); });
  return true;
}

}  // namespace

void write_challenge(const Challenge& challenge, std::string& out) {
  frames::Challenge message;
  message.set_version(challenge.version);
  message.set_nonce(text_of(challenge.nonce));
  put_message(message, out);
}

Result<Challenge> read_challenge(std::string_view body) {
  CANOPY_TRY(const auto message, parse<frames::Challenge>(body, "challenge"));
  Challenge challenge{.version = message.version()};
  if (!take_bytes(message.nonce(), challenge.nonce)) return no_message("challenge");
  return challenge;
}

void write_join(const Join& join, std::string& out) {
  frames::Join message;
  message.set_name(join.name);
  message.set_instance(text_of(join.instance));
  message.set_slots(join.slots);
  for (const std::string& runtime : join.runtimes) message.add_runtimes(runtime);
  message.set_process(join.process);
  message.set_program(join.program.substr(0, program_size_max));
  message.set_nonce(text_of(join.nonce));
  message.set_proof(text_of(join.proof));
  message.set_balancer(join.balancer);
  if (join.walls) put_walls(*join.walls, *message.mutable_walls());
  put_message(message, out);
}

Result<Join> read_join(std::string_view body) {
  CANOPY_TRY(auto message, parse<frames::Join>(body, "join"));
  Join join{.name = std::move(*message.mutable_name()),
            .slots = message.slots(),
            .runtimes = {},
            .process = message.process(),
            .program = std::move(*message.mutable_program()),
            .balancer = message.balancer()};
  const bool whole = take_bytes(message.instance(), join.instance) &&
                     take_bytes(message.nonce(), join.nonce) && take_bytes(message.proof(), join.proof);
  if (!whole || !is_name_part(join.name) || (join.slots == 0 && !join.balancer) ||
      join.slots > join_slots_max || join.program.size() > program_size_max ||
      static_cast<std::size_t>(message.runtimes_size()) > join_runtimes_max) {
    return no_message("join");
  }
  if (message.has_walls()) {
    join.walls = take_walls(*message.mutable_walls());
    if (!join.walls) return no_message("join");
  }
  for (std::string& runtime : *message.mutable_runtimes()) {
    if (!is_name_part(runtime)) return no_message("join");
    join.runtimes.push_back(std::move(runtime));
  }
  return join;
}

void write_line(const Line& line, std::string& out) {
  frames::Line message;
  message.set_worker(line.worker);
  message.set_core(line.core);
  message.set_proof(text_of(line.proof));
  put_message(message, out);
}

Result<Line> read_line(std::string_view body) {
  CANOPY_TRY(const auto message, parse<frames::Line>(body, "line"));
  Line line{.worker = message.worker(), .core = message.core()};
  if (!take_bytes(message.proof(), line.proof)) return no_message("line");
  return line;
}

void write_welcome(const Welcome& welcome, std::string& out) {
  frames::Welcome message;
  message.set_worker(welcome.worker);
  message.set_lines(welcome.line_count);
  message.set_silence_ns(welcome.silence_max.count());
  message.set_proof(text_of(welcome.proof));
  put_message(message, out);
}

Result<Welcome> read_welcome(std::string_view body) {
  CANOPY_TRY(const auto message, parse<frames::Welcome>(body, "welcome"));
  Welcome welcome{.worker = message.worker(),
                  .line_count = message.lines(),
                  .silence_max = Duration(message.silence_ns())};
  if (!take_bytes(message.proof(), welcome.proof) || welcome.line_count == 0 ||
      welcome.line_count > join_lines_max || welcome.silence_max <= Duration::zero()) {
    return no_message("welcome");
  }
  return welcome;
}

void write_want(const Want& want, std::string& out) {
  frames::Want message;
  message.set_digest(want.digest);
  message.set_offset(want.offset);
  message.set_size_bytes(want.size_bytes);
  put_message(message, out);
}

Result<Want> read_want(std::string_view body) {
  CANOPY_TRY(auto message, parse<frames::Want>(body, "want"));
  Want want{.digest = std::move(*message.mutable_digest()),
            .offset = message.offset(),
            .size_bytes = message.size_bytes()};
  if (!is_sha256_hex(want.digest)) return no_message("want");
  return want;
}

}  // namespace canopy::wire

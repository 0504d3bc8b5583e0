#pragma once
// The bodies of the frames by which a worker of another machine joins, and gets the code it runs. Reading
// takes apart what a stranger may have sent: what is not a body of its kind, or past a bound, is `invalid`.
//
// Threads: any.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/sha256.h"
#include "model/walls.h"

namespace canopy::wire {

using Nonce = std::array<std::uint8_t, 32>;  // Random, and never used twice.

struct Challenge {
  std::uint32_t version = 0;  // frame_version
  Nonce nonce{};
};

struct Join {
  std::string name;         // is_name_part()
  Nonce instance{};         // Of this run of the program: who joins again is known by it.
  std::uint32_t slots = 1;  // 1 to join_slots_max; of a balancer that has nobody below it yet 0.
  std::vector<std::string> runtimes;
  std::uint64_t process = 0;  // Its id there.
  std::string program;        // Its version.
  bool balancer = false;
  Nonce nonce{};
  Sha256Digest proof{};
  std::shared_ptr<const Walls> walls = {};  // As it says; null where it says nothing.
};

struct Line {
  std::uint64_t worker = 0;  // As it was welcomed.
  std::uint32_t core = 0;    // Of the gateway.
  Sha256Digest proof{};
};

struct Welcome {
  std::uint64_t worker = 0;
  std::uint32_t line_count = 1;  // 1 to join_lines_max: one for each core of the gateway.
  Duration silence_max{};        // Who hears nothing for so long counts the other as gone.
  Sha256Digest proof{};
};

struct Want {
  std::string digest;  // is_sha256_hex()
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;  // Of all of it, as the function says.
};

inline constexpr std::uint32_t join_slots_max = 1'000'000;
inline constexpr std::uint32_t join_lines_max = 1024;
inline constexpr std::size_t join_runtimes_max = 16;
inline constexpr std::size_t join_body_bytes_max = 16 << 10;  // Of every frame that a joining worker sends.
inline constexpr std::size_t code_piece_bytes_max = 256 << 10;

// Each appends to `out`, which is cleared first.
void write_challenge(const Challenge& challenge, std::string& out);
void write_join(const Join& join, std::string& out);
void write_line(const Line& line, std::string& out);
void write_welcome(const Welcome& welcome, std::string& out);
void write_want(const Want& want, std::string& out);

// Of another version than ours too: the version is the caller's to judge.
Result<Challenge> read_challenge(std::string_view body);
Result<Join> read_join(std::string_view body);
Result<Line> read_line(std::string_view body);
Result<Welcome> read_welcome(std::string_view body);
Result<Want> read_want(std::string_view body);

}  // namespace canopy::wire

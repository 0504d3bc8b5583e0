#pragma once
// What the server and the processes of a Python function say to each other. The other side is written by
// strangers: whatever it sends, these come back with a value or an error.
//
//   packets  between server and warmed process, one list of fields each:
//     setup …, begin N, ready BYTES, failed TEXT, broken TEXT, begun N, ended N STATUS MICROSECONDS BYTES
//   a call   server to its process:  u32 size of head, u64 size of input, head (fields), input
//   answer   its process to server:  u8 kind, u32 size of head, u64 size of output, head (fields), output;
//            of what was raised the output is the exception, serialised
//
// Fields are a u32 count and then, for each, a u32 size and its bytes. All numbers are little-endian.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "model/call.h"

namespace canopy::wire {

inline constexpr std::size_t python_fields_max = 2000;
inline constexpr std::size_t python_head_bytes_max = 256 * KiB;

// Writes a list of fields, whose number it keeps.
class PythonFields {
 public:
  PythonFields() : bytes_(sizeof(std::uint32_t), '\0') {}
  PythonFields(std::initializer_list<std::string_view> fields) : PythonFields() {
    for (const std::string_view field : fields) add(field);
  }
  void add(std::string_view field);
  void add(std::uint64_t number) { add(std::to_string(number)); }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  std::uint32_t count_ = 0;
};

// The fields of a whole list; views into `bytes`.
//   invalid  it is no list, or more than python_fields_max
Result<std::vector<std::string_view>> read_python_fields(std::string_view bytes);

// What goes before the input; `time_left` of the call.
std::string write_python_call(const Call& call, Duration time_left);

// What the warmed process says.
struct PythonPacket {
  enum class Kind : std::uint8_t { ready, failed, broken, begun, ended };
  Kind kind = Kind::ready;
  std::uint64_t number = 0;        // begun, ended: of the call.
  std::uint64_t memory_bytes = 0;  // ready, ended: the most it had.
  int status = 0;                  // ended: as waitpid() says it; -1: it could not be forked.
  Duration cpu_time{};             // ended.
  std::string text;                // failed: the function; broken: the machine.
};

//   invalid
Result<PythonPacket> read_python_packet(std::string_view bytes);

struct PythonAnswer {
  enum class Kind : std::uint8_t { reply, raised, limit, platform };
  Kind kind = Kind::reply;
  int status = 200;  // reply
  std::vector<Header> headers;
  std::string output;
  std::string limit;  // limit: "memory", "open_files", "processes", "tmp" or "output"
  std::string type;   // raised, limit: the exception.
  std::string message;
  std::string traceback;
};

// Puts one answer together from pieces as they come.
class PythonAnswerReader {
 public:
  explicit PythonAnswerReader(std::uint64_t output_bytes_max) : output_bytes_max_(output_bytes_max) {}

  // Whether the answer is whole; what comes after it is not looked at. After an error: no more.
  //   invalid    it is none
  //   too_large  its output would be larger than allowed
  Result<bool> add(std::string_view bytes);
  // Once it is whole.
  PythonAnswer take() { return std::move(answer_); }
  // Once it is whole: whether more came with it, which is nobody's.
  bool has_more() const { return has_more_; }
  // Bytes that were kept so far.
  std::size_t size() const { return head_.size() + answer_.output.size(); }

 private:
  Result<void> read_sizes();
  Result<void> read_head();

  const std::uint64_t output_bytes_max_;
  std::string sizes_;
  std::string head_;
  std::uint32_t head_bytes_ = 0;
  std::uint64_t output_bytes_ = 0;
  PythonAnswer answer_;
  bool has_head_ = false;
  bool has_more_ = false;
};

}  // namespace canopy::wire

#include "wire/python_frames.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace canopy::wire {
namespace {

constexpr std::size_t sizes_bytes = 1 + sizeof(std::uint32_t) + sizeof(std::uint64_t);
constexpr std::size_t output_reserve_max = 64 * KiB;  // Before any of it has come.
constexpr std::size_t text_bytes_max = 64 * KiB;

void put(std::uint64_t number, std::size_t size, std::string& out) {
  for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(number >> (8 * i) & 0xff);
}

std::uint64_t get(std::string_view bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = bytes.size(); i > 0; --i) {
    number = number << 8U | static_cast<unsigned char>(bytes[i - 1]);
  }
  return number;
}

tl::unexpected<Error> nonsense(std::string_view what) {
  return fail(Code::invalid, "what a Python process said makes no sense: " + std::string(what));
}

template <class Number>
Result<Number> read_number(std::string_view text, Number max) {
  Number number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc{} || result.ptr != text.data() + text.size() || number > max) {
    return nonsense("a number that is none");
  }
  return number;
}

bool is_token(std::string_view name) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::ranges::all_of(name, [others](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           others.find(c) != others.npos;
  });
}

bool is_header_value(std::string_view value) {
  return std::ranges::none_of(
      value, [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; });
}

}  // namespace

void PythonFields::add(std::string_view field) {
  put(field.size(), sizeof(std::uint32_t), bytes_);
  bytes_ += field;
  ++count_;
  std::string count;
  put(count_, sizeof(std::uint32_t), count);
  bytes_.replace(0, count.size(), count);
}

Result<std::vector<std::string_view>> read_python_fields(std::string_view bytes) {
  constexpr std::size_t number_bytes = sizeof(std::uint32_t);
  if (bytes.size() < number_bytes) return nonsense("a list without a count");
  const std::uint64_t count = get(bytes.substr(0, number_bytes));
  if (count > python_fields_max) return nonsense("a list of too many fields");
  bytes.remove_prefix(number_bytes);
  std::vector<std::string_view> fields;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (bytes.size() < number_bytes) return nonsense("a list that is cut short");
    const std::uint64_t size = get(bytes.substr(0, number_bytes));
    bytes.remove_prefix(number_bytes);
    if (size > bytes.size()) return nonsense("a field that is cut short");
    fields.push_back(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  if (!bytes.empty()) return nonsense("bytes after a list");
  return fields;
}

std::string write_python_call(const Call& call, Duration time_left) {
  PythonFields head = {to_text(call.id), call.method, call.path, call.query};
  head.add(call.attempt);
  head.add(static_cast<std::uint64_t>(
      std::max<Duration::rep>(std::chrono::duration_cast<std::chrono::microseconds>(time_left).count(), 0)));
  for (const HeaderView& header : call.headers) {
    head.add(header.name);
    head.add(header.value);
  }
  std::string bytes;
  put(head.bytes().size(), sizeof(std::uint32_t), bytes);
  put(call.input.size(), sizeof(std::uint64_t), bytes);
  return bytes + head.bytes();
}

Result<PythonPacket> read_python_packet(std::string_view bytes) {
  constexpr std::uint64_t any = UINT64_MAX;
  CANOPY_TRY(const auto fields, read_python_fields(bytes));
  if (fields.empty()) return nonsense("an empty packet");
  const std::string_view word = fields.front();
  PythonPacket packet;
  if (word == "ready" && fields.size() == 2) {
    packet.kind = PythonPacket::Kind::ready;
    CANOPY_TRY(packet.memory_bytes, read_number<std::uint64_t>(fields[1], any));
  } else if ((word == "failed" || word == "broken") && fields.size() == 2) {
    packet.kind = word == "failed" ? PythonPacket::Kind::failed : PythonPacket::Kind::broken;
    packet.text = fields[1].substr(0, text_bytes_max);
  } else if (word == "begun" && fields.size() == 2) {
    packet.kind = PythonPacket::Kind::begun;
    CANOPY_TRY(packet.number, read_number<std::uint64_t>(fields[1], any));
  } else if (word == "ended" && fields.size() == 5) {
    packet.kind = PythonPacket::Kind::ended;
    CANOPY_TRY(packet.number, read_number<std::uint64_t>(fields[1], any));
    CANOPY_TRY(packet.status, read_number<int>(fields[2], 0xffff));
    constexpr std::int64_t year = 366LL * 24 * 3600 * 1'000'000;
    CANOPY_TRY(const std::int64_t spent, read_number<std::int64_t>(fields[3], year));
    packet.cpu_time = std::chrono::microseconds(std::max<std::int64_t>(spent, 0));
    CANOPY_TRY(packet.memory_bytes, read_number<std::uint64_t>(fields[4], any));
  } else {
    return nonsense("an unknown packet");
  }
  return packet;
}

Result<bool> PythonAnswerReader::add(std::string_view bytes) {
  const auto take_into = [&bytes](std::string& to, std::uint64_t size) {
    const std::string_view part = bytes.substr(0, static_cast<std::size_t>(size - to.size()));
    to += part;
    bytes.remove_prefix(part.size());
    return to.size() == size;
  };
  if (sizes_.size() < sizes_bytes) {
    if (!take_into(sizes_, sizes_bytes)) return false;
    CANOPY_TRY_VOID(read_sizes());
  }
  if (!has_head_) {
    if (!take_into(head_, head_bytes_)) return false;
    CANOPY_TRY_VOID(read_head());
    has_head_ = true;
    answer_.output.reserve(
        static_cast<std::size_t>(std::min<std::uint64_t>(output_bytes_, output_reserve_max)));
  }
  const bool whole = take_into(answer_.output, output_bytes_);
  has_more_ = whole && !bytes.empty();
  return whole;
}

Result<void> PythonAnswerReader::read_sizes() {
  const std::string_view view = sizes_;
  switch (view.front()) {
    case 'R':
      answer_.kind = PythonAnswer::Kind::reply;
      break;
    case 'E':
      answer_.kind = PythonAnswer::Kind::raised;
      break;
    case 'L':
      answer_.kind = PythonAnswer::Kind::limit;
      break;
    case 'P':
      answer_.kind = PythonAnswer::Kind::platform;
      break;
    default:
      return nonsense("an answer of no known kind");
  }
  head_bytes_ = static_cast<std::uint32_t>(get(view.substr(1, sizeof(std::uint32_t))));
  output_bytes_ = get(view.substr(1 + sizeof(std::uint32_t)));
  if (head_bytes_ > python_head_bytes_max) return fail(Code::too_large, "its headers are too large");
  if (output_bytes_ > output_bytes_max_) return fail(Code::too_large, "its output is too large");
  const bool has_output =
      answer_.kind == PythonAnswer::Kind::reply || answer_.kind == PythonAnswer::Kind::raised;
  if (!has_output && output_bytes_ > 0) return nonsense("an error with output");
  return {};
}

Result<void> PythonAnswerReader::read_head() {
  CANOPY_TRY(const auto fields, read_python_fields(head_));
  if (answer_.kind == PythonAnswer::Kind::reply) {
    if (fields.size() % 2 != 1) return nonsense("a header without a value");
    CANOPY_TRY(answer_.status, read_number<int>(fields.front(), 599));
    if (answer_.status < 200) return nonsense("a status below 200");
    for (std::size_t i = 1; i < fields.size(); i += 2) {
      if (!is_token(fields[i]) || !is_header_value(fields[i + 1])) return nonsense("a header that is none");
      answer_.headers.push_back({std::string(fields[i]), std::string(fields[i + 1])});
    }
    return {};
  }
  std::vector<std::string*> wanted = {&answer_.message};
  if (answer_.kind != PythonAnswer::Kind::platform) {
    wanted = {&answer_.type, &answer_.message, &answer_.traceback};
  }
  if (answer_.kind == PythonAnswer::Kind::limit) wanted.insert(wanted.begin(), &answer_.limit);
  if (fields.size() != wanted.size()) return nonsense("an error of another shape");
  for (std::size_t i = 0; i < fields.size(); ++i) *wanted[i] = fields[i].substr(0, text_bytes_max);
  return {};
}

}  // namespace canopy::wire

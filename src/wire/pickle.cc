#include "wire/pickle.h"

#include <array>
#include <cstdint>

#include "base/check.h"
#include "base/hex.h"
#include "base/units.h"

namespace canopy::wire {
namespace {

constexpr unsigned newest_protocol = 5;
constexpr std::size_t frame_bytes_min = 4;  // A shorter one is not announced.
constexpr std::size_t short_text_bytes_max = 255;

// What follows an opcode.
enum class Follows : std::uint8_t {
  unknown,  // There is no such opcode.
  nothing,
  one,  // So many bytes.
  two,
  four,
  eight,
  line,  // A text, up to the end of the line.
  two_lines,
  sized_one,  // A size of so many bytes, and then as many.
  sized_four,
  sized_eight,
};

struct Row {
  unsigned char opcode;
  Follows follows;
};

// Of protocols 0 to 5, but for those that mean the world outside (persistent ids, buffers beside the pickle).
constexpr std::array rows = {
    Row{'(', Follows::nothing},      Row{'.', Follows::nothing},      Row{'0', Follows::nothing},
    Row{'1', Follows::nothing},      Row{'2', Follows::nothing},      Row{'F', Follows::line},
    Row{'I', Follows::line},         Row{'J', Follows::four},         Row{'K', Follows::one},
    Row{'L', Follows::line},         Row{'M', Follows::two},          Row{'N', Follows::nothing},
    Row{'R', Follows::nothing},      Row{'S', Follows::line},         Row{'T', Follows::sized_four},
    Row{'U', Follows::sized_one},    Row{'V', Follows::line},         Row{'X', Follows::sized_four},
    Row{'a', Follows::nothing},      Row{'b', Follows::nothing},      Row{'c', Follows::two_lines},
    Row{'d', Follows::nothing},      Row{'}', Follows::nothing},      Row{'e', Follows::nothing},
    Row{'g', Follows::line},         Row{'h', Follows::one},          Row{'i', Follows::two_lines},
    Row{'j', Follows::four},         Row{'l', Follows::nothing},      Row{']', Follows::nothing},
    Row{'o', Follows::nothing},      Row{'p', Follows::line},         Row{'q', Follows::one},
    Row{'r', Follows::four},         Row{'s', Follows::nothing},      Row{'t', Follows::nothing},
    Row{')', Follows::nothing},      Row{'u', Follows::nothing},      Row{'G', Follows::eight},
    Row{'B', Follows::sized_four},   Row{'C', Follows::sized_one},    Row{0x80, Follows::one},
    Row{0x81, Follows::nothing},     Row{0x82, Follows::one},         Row{0x83, Follows::two},
    Row{0x84, Follows::four},        Row{0x85, Follows::nothing},     Row{0x86, Follows::nothing},
    Row{0x87, Follows::nothing},     Row{0x88, Follows::nothing},     Row{0x89, Follows::nothing},
    Row{0x8a, Follows::sized_one},   Row{0x8b, Follows::sized_four},  Row{0x8c, Follows::sized_one},
    Row{0x8d, Follows::sized_eight}, Row{0x8e, Follows::sized_eight}, Row{0x8f, Follows::nothing},
    Row{0x90, Follows::nothing},     Row{0x91, Follows::nothing},     Row{0x92, Follows::nothing},
    Row{0x93, Follows::nothing},     Row{0x94, Follows::nothing},     Row{0x95, Follows::eight},
    Row{0x96, Follows::sized_eight}};

constexpr std::array<Follows, 256> follows_of = [] {
  std::array<Follows, 256> all{};
  for (const Row& row : rows) all[row.opcode] = row.follows;
  return all;
}();

tl::unexpected<Error> truncated() { return fail(Code::invalid, "pickle data was truncated"); }

tl::unexpected<Error> unknown(unsigned char opcode) {
  std::string shown;
  if (opcode >= 0x20 && opcode < 0x7f) {
    shown = static_cast<char>(opcode);
  } else {
    shown = "\\x";
    append_hex(opcode, shown);
  }
  return fail(Code::invalid, "invalid load key, '" + shown + "'.");
}

class Scanner {
 public:
  explicit Scanner(std::string_view bytes) : rest_(bytes) {}

  Result<void> scan() {
    if (rest_.empty()) return fail(Code::invalid, "Ran out of input");
    if (rest_.front() != pickle_mark) return unknown(static_cast<unsigned char>(rest_.front()));
    if (rest_.size() < 2) return truncated();
    const unsigned protocol = static_cast<unsigned char>(rest_[1]);
    if (protocol > newest_protocol) {
      return fail(Code::invalid, "unsupported pickle protocol: " + std::to_string(protocol));
    }
    while (!rest_.empty()) {
      const auto opcode = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      if (opcode == '.') {
        if (rest_.empty()) return {};
        return fail(Code::invalid, std::to_string(rest_.size()) + " bytes follow the end of the pickle");
      }
      CANOPY_TRY_VOID(pass(opcode));
    }
    return truncated();
  }

 private:
  Result<void> pass(unsigned char opcode) {
    switch (follows_of[opcode]) {
      case Follows::unknown:
        return unknown(opcode);
      case Follows::nothing:
        return {};
      case Follows::one:
        return skip(1);
      case Follows::two:
        return skip(2);
      case Follows::four:
        return skip(4);
      case Follows::eight:
        return skip(8);
      case Follows::line:
        return skip_line();
      case Follows::two_lines:
        CANOPY_TRY_VOID(skip_line());
        return skip_line();
      case Follows::sized_one:
        return skip_sized(1);
      case Follows::sized_four:
        return skip_sized(4);
      case Follows::sized_eight:
        return skip_sized(8);
    }
    return {};
  }

  Result<void> skip(std::uint64_t count) {
    if (count > rest_.size()) return truncated();
    rest_.remove_prefix(static_cast<std::size_t>(count));
    return {};
  }

  Result<void> skip_line() {
    const std::size_t end = rest_.find('\n');
    return end == std::string_view::npos ? truncated() : skip(end + 1);
  }

  Result<void> skip_sized(std::size_t size_bytes) {
    if (size_bytes > rest_.size()) return truncated();
    std::uint64_t size = 0;
    for (std::size_t i = size_bytes; i > 0; --i) {
      size = size << 8U | static_cast<unsigned char>(rest_[i - 1]);
    }
    rest_.remove_prefix(size_bytes);
    return skip(size);
  }

  std::string_view rest_;
};

void append_number(std::uint64_t number, std::size_t size_bytes, std::string& out) {
  for (std::size_t i = 0; i < size_bytes; ++i) out += static_cast<char>(number >> (8 * i) & 0xffU);
}

// And remembered, as Python does with each text.
void append_text(std::string_view text, std::string& out) {
  if (text.size() <= short_text_bytes_max) {
    out += '\x8c';
    append_number(text.size(), 1, out);
  } else {
    out += 'X';
    append_number(text.size(), 4, out);
  }
  out += text;
  out += '\x94';
}

std::string framed(std::string_view body) {
  CANOPY_CHECK(body.size() >= frame_bytes_min && body.size() < 64 * KiB + frame_bytes_min);
  std::string pickle = "\x80\x04\x95";
  append_number(body.size(), 8, pickle);
  return pickle.append(body);
}

}  // namespace

Result<void> check_pickle(std::string_view bytes) { return Scanner(bytes).scan(); }

std::string pickle_text(std::string_view text) {
  std::string body;
  append_text(text, body);
  return framed(body + '.');
}

std::string pickle_entry(std::string_view key, std::string_view value) {
  std::string body = "}\x94";
  append_text(key, body);
  append_text(value, body);
  return framed(body + "s.");
}

std::string pickle_exception(std::string_view type, std::string_view text) {
  std::string body;
  append_text("builtins", body);
  append_text(type, body);
  body += "\x93\x94";
  append_text(text, body);
  body += "\x85\x94R\x94.";
  return framed(body);
}

}  // namespace canopy::wire
